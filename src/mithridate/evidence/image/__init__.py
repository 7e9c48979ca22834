"""Evidence from images: a canvas of equal size, patches, residuals, features of a content model."""
