"""Evidence about chat data: what prompts hold, and views of what was answered."""
