"""Pairs written for this project, to compare two forms of one model on when no other texts are given."""

from rerank.protocols import Pair

_QUERIES = (
    "wireless headphones",
    "usb c charger 65w",
    "gaming mouse",
    "coffee machine with milk frother",
    "waterproof hiking jacket",
    "4k monitor 27 inch",
    "led desk lamp",
    "running shoes men 43",
)
_DOCUMENTS = (
    "Over-ear wireless headphones with noise cancelling | Lumo | black, Bluetooth 5.3 | Thirty hours of music from one "
    "charge, folding arms and a hard case.",
    "USB-C wall charger 65 W | Voltic | two ports, GaN | Charges a laptop and a phone at once.",
    "Wired gaming mouse 12000 dpi | Raptor | eight buttons | Light shell, braided cable, on-board profiles.",
    "Fully automatic coffee machine | Barista & Co | 15 bar, 1.8 l | Grinds, brews and froths milk at one touch.",
    "Women's rain jacket, three layers | Fjella | taped seams | Keeps dry in the hills and packs into its own pocket.",
    "27 inch monitor, 3840 x 2160, IPS | Claris | USB-C 90 W | Height, tilt and pivot.",
    "Dimmable desk lamp",
    "Men's road running shoe | Strida | size 43, 8 mm drop | Foam midsole and a knit upper for long easy miles.",
    "Replacement ear pads for headphones | Lumo | pair",
    "Garden hose 20 m with spray gun | Verda | half an inch | Stays flexible in the cold; brass couplings.",
)
SAMPLE_PAIRS = tuple(Pair(query, document) for query in _QUERIES for document in _DOCUMENTS)
"""80 pairs: of each query one or two documents answer it."""
