"""How good a model is: scores, figures and the report that shows both."""
