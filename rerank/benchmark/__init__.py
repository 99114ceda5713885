"""How fast rerankers are and how well they order, in one loop in which all take turns."""
