"""Compares a table with what a spreadsheet made of it: compare.py SENT SEPARATOR DECIMAL-SIGN CAME-BACK."""

import csv
import sys
from decimal import Decimal

NUMBERS = ["price", "plus_minus", "age_ms", "used", "required"]
TEXTS = ["symbol", "status", "reason", "currency"]


def rows(path, separator):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=separator))


sent_path, separator, sign, back_path = sys.argv[1:]
sent, back = rows(sent_path, separator), rows(back_path, ",")
assert len(sent) == len(back) > 5, f"{len(sent)} rows went, {len(back)} came back"
digits = 0
for went, came in zip(sent, back, strict=True):
    for name in TEXTS:
        assert went[name] == came[name], f"{went['symbol']}: {name} was {went[name]!r} and is {came[name]!r}"
    for name in NUMBERS:
        if went[name] == "":
            assert came[name] == "", f"{went['symbol']}: {name} was empty and is {came[name]!r}"
            continue
        number = Decimal(went[name].replace(sign, "."))
        assert number == Decimal(came[name]), f"{went['symbol']}: {name} was {went[name]} and is {came[name]}"
        digits += len(number.as_tuple().digits)
formulas = [row["symbol"] for row in sent if row["symbol"].startswith("'")]
assert len(formulas) >= 3, f"only {formulas} look like formulas"
priced = sum(row["price"] != "" for row in sent)
assert priced >= 5, f"only {priced} symbols have a price"
print(f"{sent_path.rsplit('/', 1)[-1]}: {priced} prices and {digits} digits are the same in a spreadsheet")
