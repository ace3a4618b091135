#!/bin/bash
# Opens the demo's report in headless Chromium: nothing on the console, nothing fetched, nothing wider than the
# screen, every chart there, screenshots that are not blank. Then breaks copies of the report and sees the same
# look fail. usage: browser.sh TARGET
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1
out=$target/demo
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$browser" ]; then
  echo "report-check: skipped, no chromium (apt-get install chromium fonts-dejavu-core)"
  [ "${CI:-}" != true ]
  exit
fi
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Opens page $1 on a screen of $2 x $3; what the console says goes to $work/console; the rest are more options.
open_page() {
  local page=$1 size=$2,$3
  shift 3
  rm -rf "$work/profile"
  timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars \
    --disable-background-networking --disable-component-update --disable-sync --enable-logging=stderr --v=0 \
    --user-data-dir="$work/profile" --window-size="$size" "$@" "file://$page" > "$work/dom" 2> "$work/log" ||
    { tail -5 "$work/log"; return 1; }
  grep -a ':CONSOLE' "$work/log" > "$work/console" || true
}

# What the page is asked, in a copy of it. Its answer is the one line that the console may have, which also shows
# that the console is heard.
probe='<script>
const charts = [...document.querySelectorAll("svg.chart")].filter(c => getComputedStyle(c).display !== "none");
const empty = charts.filter(c => c.getBoundingClientRect().height < 20 || c.querySelectorAll("path,polyline,line,rect,circle").length < 5);
const fetched = performance.getEntriesByType("resource").length + document.querySelectorAll("[src],link:not([href=\"data:,\"])").length;
const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
const scripts = document.scripts.length - 1;
console.log(`probe: charts ${charts.length}, empty ${empty.length}, fetched ${fetched}, scripts ${scripts}, too wide by ${wide} px`);
</script>'

# Takes a screenshot $4 of page $1 on a screen of $2 x $3; the rest are more options.
shoot() {
  open_page "$1" "$2" "$3" --screenshot="$4" "${@:5}" || return 1
  [ ! -s "$work/console" ] || { echo "the console says:"; cat "$work/console"; return 1; }
  [ "$(stat -c %s "$4")" -gt 60000 ] || { echo "the screenshot is blank"; return 1; } # an empty one is 13 kB
}

# Looks at page $1 with $2 charts; says what is wrong. Screenshots go to $3-light.png and $3-phone.png.
look() {
  local page=$1 charts=$2 shots=$3 said
  { cat "$page"; echo "$probe"; } > "$work/probe.html"
  open_page "$work/probe.html" 400 3000 --dump-dom || return 1
  said=$(sed 's/.*"\(probe: [^"]*\)".*/\1/' "$work/console")
  [ "$said" = "probe: charts $charts, empty 0, fetched 0, scripts 0, too wide by 0 px" ] ||
    { echo "the page answers: $said"; return 1; }
  shoot "$page" 1100 2400 "$shots-light.png" || return 1
  shoot "$page" 400 3000 "$shots-phone.png" --blink-settings=preferredColorScheme=0
}

# A copy of the report, changed by the sed script $1, must fail with words $2.
must_fail() {
  sed "$1" "$out/report.html" > "$work/broken.html"
  ! cmp -s "$out/report.html" "$work/broken.html" || { echo "report-check: '$1' changes nothing"; exit 1; }
  if look "$work/broken.html" 12 "$work/broken" > "$work/said"; then
    echo "report-check: passes with $1"
    exit 1
  fi
  grep -q "$2" "$work/said" || { echo "report-check: with $1 it fails otherwise:"; cat "$work/said"; exit 1; }
}

${CARGO:-cargo} run -q --release -p eplb-cli -- report --html "$out/report.html" --svg "$out/balance.svg" > "$out/report.txt"
page=$(realpath "$out/report.html")
# drift, hottest experts, two heat maps and their scale, balance of the layers, moves and their balance, sweep, crossing
look "$page" 12 "$out/report" || { echo "report-check: failed"; exit 1; }
must_fail 's|</body>|<script>undefined_name()</script></body>|' 'undefined_name is not defined'
must_fail 's|</main>|<img alt="" src="missing.png"></main>|' 'fetched'
must_fail 's|<body>|<body style="opacity:0">|' 'the screenshot is blank'
must_fail 's|<h1>|<h1 style="width:900px">|' 'too wide by [1-9]'
must_fail 's|<svg class="chart heat"|<svg class="no"|' 'charts 10'
echo "report-check: $("$browser" --version 2> /dev/null): 12 charts, console silent, 5 broken copies seen to fail; $out/report-*.png"
