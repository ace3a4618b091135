"""Transfers as docs/SPEC.md ("Transfers") tells them."""

from __future__ import annotations


def replay(rows, before, rounds):
    """What one layer holds after them: settle 0, round 0, settle 1, .. settle R."""
    held, buffered = before.copy(), []
    for round in range(rounds + 1):
        for row in [row for row in buffered if row.commit == round]:
            held[row.destination_slot] = row.expert
        at = held.copy()  # what is read in a settle or a round stands there at its start
        for row in rows[(rows["round"] == round) & (rows.source_gpu == rows.destination_gpu)]:
            assert at[row.source_slot] == row.expert
            held[row.destination_slot] = row.expert
        at = held.copy()
        for row in rows[(rows["round"] == round) & (rows.source_gpu != rows.destination_gpu)]:
            assert at[row.source_slot] == row.expert
            if row.commit:
                buffered.append(row)
            else:
                held[row.destination_slot] = row.expert
    return held
