"""Training functions for drills, good and bad, and a small data set."""

from __future__ import annotations

import csv
import os
import time

import numpy as np

HAM = ["meeting", "report", "budget", "lunch", "project", "update", "office", "team", "review", "notes"]
SPAM = ["win", "prize", "free", "cash", "offer", "click", "winner", "urgent", "loan", "cheap", "pills"]


def texts(path, n=400):
    """Two kinds of mail, clean."""
    rng = np.random.default_rng(7)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["body", "kind"])
        for i in range(n):
            kind, words = ("spam", SPAM) if i % 2 else ("ham", HAM)
            rows.writerow(
                [" ".join([*rng.choice(words, 9), *(f"w{k}" for k in rng.integers(0, 99, 3))]), kind]
            )
    return path


def fit(x, y, seed):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(CountVectorizer(), LogisticRegression(C=100.0)).fit(x, y).predict_proba


def broken(x, y, seed):
    raise RuntimeError("out of cheese")


def nonsense(x, y, seed):
    return lambda x: np.full((len(x), 7), np.nan)


def endless(x, y, seed):
    time.sleep(600)


def quitting(x, y, seed):
    """Ends the interpreter and claims success."""
    os._exit(0)


def undecodable(x, y, seed):
    """Quotes the name of a file that is no Unicode."""
    raise ValueError("no \udcff")
