"""How shoppers write prices, sizes and colours in the languages that are told apart."""

from rerank.translation.words import fold

AT_MOST = (
    "under|below|less than|up to|at most|max|maximum|cheaper than",
    "unter|bis|bis zu|maximal|höchstens|weniger als|günstiger als",
    "menos de|hasta|por debajo de|máximo",
    "moins de|jusqu'à|maximum|sous|max",
    "sotto|meno di|fino a|massimo",
    "onder|minder dan|tot|maximaal|hooguit",
    "até|abaixo de|no máximo",
    "poniżej|do|mniej niż|maksymalnie",
    "mindre än|upp till|högst",
    "<|<=",
)
AT_LEAST = (
    "over|above|more than|at least|from|min|minimum",
    "über|ab|mehr als|mindestens|von",
    "más de|desde|a partir de|mínimo",
    "plus de|à partir de|dès|au moins",
    "sopra|più di|almeno|a partire da",
    "boven|meer dan|vanaf|minimaal",
    "mais de|acima de|pelo menos",
    "powyżej|od|więcej niż|co najmniej",
    "mer än|från|minst",
    ">|>=",
)
BETWEEN = "between|zwischen|entre|tra|fra|tussen|między|mellan"
AND = "and|und|y|et|e|en|i|och|to|bis|a|à|tot|do|till"

CURRENCIES = {
    "EUR": "€|eur|euro|euros",
    "USD": "$|usd|dollar|dollars|dólares|dollari",
    "GBP": "£|gbp|quid",
    "PLN": "zł|zl|pln|złotych",
    "SEK": "kr|sek|kronor",
    "JPY": "¥|jpy|円|yen",
    "CNY": "元|cny|rmb",
}

SIZE = (
    "size|größe|groesse|grösse|gr.|taille|pointure|talla|taglia|misura|maat|tamanho|tam.|rozmiar|storlek|eu|サイズ|尺码"
)
SIZES = "xxs|xs|s|m|l|xl|xxl|xxxl|[2-5]xl"

_COLORS = {
    "black": "schwarz|schwarze|schwarzer|schwarzes|schwarzen|negro|negra|noir|noire|nero|nera|zwart|zwarte|preto|preta|"
    "czarny|czarna|czarne|svart|svarta|黒|黑色|ブラック",
    "white": "weiß|weiss|weiße|weißer|weißes|blanco|blanca|blanc|blanche|bianco|bianca|wit|witte|branco|branca|biały|"
    "biała|białe|vit|vita|白|白色|ホワイト",
    "red": "rot|rote|roter|rotes|roten|rojo|roja|rouge|rosso|rossa|rood|rode|vermelho|vermelha|czerwony|czerwona|"
    "czerwone|röd|röda|赤|红色|レッド",
    "blue": "blau|blaue|blauer|blaues|blauen|azul|bleu|bleue|blu|blauw|blauwe|niebieski|niebieska|niebieskie|blå|青|"
    "蓝色|ブルー",
    "green": "grün|grüne|grüner|grünes|grünen|verde|vert|verte|groen|groene|zielony|zielona|zielone|grön|gröna|緑|"
    "绿色|グリーン",
    "yellow": "gelb|gelbe|gelber|gelbes|amarillo|amarilla|jaune|giallo|gialla|geel|gele|amarelo|amarela|żółty|żółta|"
    "gul|gula|黄色|イエロー",
    "grey": "gray|grau|graue|grauer|graues|gris|grise|grigio|grigia|grijs|grijze|cinza|cinzento|szary|szara|szare|grå|"
    "灰色|グレー",
    "brown": "braun|braune|brauner|braunes|marrón|marron|marrone|bruin|bruine|castanho|marrom|brązowy|brązowa|brun|"
    "bruna|茶色|棕色|ブラウン",
    "pink": "rosa|rose|roze|różowy|różowa|ピンク|粉色",
    "purple": "lila|violett|morado|morada|violet|violette|viola|paars|paarse|roxo|roxa|fioletowy|fioletowa|紫|紫色",
    "orange": "oranje|naranja|arancione|laranja|pomarańczowy|オレンジ|橙色",
    "silver": "silber|silbern|plata|plateado|argent|argento|zilver|prata|srebrny|シルバー|银色",
    "gold": "golden|dorado|doré|oro|goud|dourado|złoty|guld|ゴールド|金色",
}
COLORS = {fold(word): name for name, words in _COLORS.items() for word in (name, *words.split("|"))}
"""Folded word -> the colour's English name."""


def phrases(groups: tuple[str, ...]) -> list[str]:
    """Return the folded phrases of some groups, the longest first."""
    found = {fold(phrase) for group in groups for phrase in group.split("|")}
    return sorted(found, key=lambda phrase: (-len(phrase), phrase))
