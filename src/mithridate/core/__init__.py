"""What every room speaks: batches, cards, results, reports, verdicts, errors and the statistics behind them."""
