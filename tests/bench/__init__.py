"""`make bench`: what a container costs, as ratios to the same thing without us.

Every ratio is of one session: ours and theirs in turns, the medians of both. Nothing in here
fails because of a number.
"""
