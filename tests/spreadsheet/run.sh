#!/usr/bin/env bash
# Opens CSV in LibreOffice, saves it as a spreadsheet, and compares what the spreadsheet holds with what was sent: every digit
# must be kept, with a decimal point and with a decimal comma, and no cell may be taken for a formula.
#
#     tests/spreadsheet/run.sh
#
# Needs curl, python3 and LibreOffice (apt-get install --no-install-recommends libreoffice-calc-nogui). QUOTEFOLD names another
# program than target/debug/quotefold.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=${QUOTEFOLD:-${CARGO_TARGET_DIR:-$here/../../target}/debug/quotefold}
folder=$(mktemp -d)

# listings, coins, money, a price in another currency, what is no symbol, and what a spreadsheet would take for a formula
symbols=(AAPL VOD.L BTC-USD ETH-EUR DOGE-USD EUR-USD NOSUCH9 'not one' '=1+1' '@SUM(1)' '+1+1' '-1+1')

# the filter's options: separator, quotation mark, UTF-8, first line, no column types, language, quoted text as text, and numbers
# such as times recognised, as they are when somebody opens the file
as_english=44,34,76,1,,1033,false,true
as_german=59,34,76,1,,1031,false,true

office() {
  soffice "-env:UserInstallation=file://$folder/profile" --headless --convert-to "$2" "--infilter=$3" \
    --outdir "$folder/$4" "$1" >"$folder/office.log" 2>&1 || { cat "$folder/office.log" >&2; exit 1; }
}

# Sends a table through a spreadsheet: NAME.csv comes back as back/NAME.csv, with commas and decimal points.
through_a_spreadsheet() {
  office "$folder/$1.csv" xlsx "CSV:$2" sheet
  office "$folder/sheet/$1.xlsx" "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033,false,true,false" "Calc MS Excel 2007 XML" back
}

at_the_end() {
  rm -rf "$folder"
}

. "$here/../support/demo.sh"
start_demo "$program"

# On a busy machine a venue may be late: ask again until each price is there.
until_priced() {
  until "$@" && [ "$(grep -cE ';?(ok|degraded)[,;]' "$folder/$1.csv")" -ge 5 ]; do sleep 0.5; done
}

# Not every symbol has a price, which the exit code says.
point() {
  local code=0
  "$program" get --url "$url" --format csv -- "${symbols[@]}" >"$folder/point.csv" 2>"$folder/point.log" || code=$?
  [ "$code" -eq 1 ] || { echo "get ended with $code: $(cat "$folder/point.log")" >&2; exit 1; }
}

comma() {
  curl -sS --get "$url/prices" --data-urlencode "symbols=$(IFS=,; printf %s "${symbols[*]}")" -d currency=EUR -d format=csv \
    -d decimal=comma -o "$folder/comma.csv"
}

until_priced point
grep -q simulated "$folder/point.log"
until_priced comma
through_a_spreadsheet point "$as_english"
through_a_spreadsheet comma "$as_german"
python3 "$here/compare.py" "$folder/point.csv" , . "$folder/back/point.csv"
python3 "$here/compare.py" "$folder/comma.csv" ';' , "$folder/back/comma.csv"
