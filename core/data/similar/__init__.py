"""Which rows are nearly the same: sketches of rows, their groups, and passages of held-out rows in others.

Loads numpy and rensa; import it where rows are compared, and nowhere else.
"""
