"""A made-up fleet of agents, and thirty days of its life seen through the real pipeline.

`fleet` says who exists (in the words of `site` and `habit`), `story` what goes wrong on which day.
`operations` tells what the agents do between two instants, `agent` does it in the deposit tree
(with `dumps`, `packing`, `claims` and `dialect`), and `play` calls them and the scan in turn.
`ground` makes sure that none of it happens where real backups are watched.
"""
