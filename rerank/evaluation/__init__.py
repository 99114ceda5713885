"""Judgements, candidate lists, measures, and the evaluation of rerankers by them."""
