#!/bin/bash
# What check.sh does, and pictures of the audit's page in HTML, which somebody then looks at.
# Usage: run.sh PROGRAM FOLDER (as check.sh). The pictures need Debian's chromium, which gets no network.
set -euo pipefail
program=$(realpath "$1")
bash "$(dirname "$(realpath "$0")")/check.sh" "$program" "$2"
cd "$2"
"$program" audit host --format html > host.html
if ! command -v chromium >/dev/null; then
  echo "SKIP pictures: chromium is not installed"
  exit
fi
quiet=(--headless --no-sandbox --disable-gpu --disable-background-networking --host-resolver-rules='MAP * ~NOTFOUND')
page="file://$PWD/host.html"
chromium "${quiet[@]}" --blink-settings=preferredColorScheme=1 --window-size=1200,1400 --screenshot="$PWD/light.png" "$page" 2>>chromium.log
chromium "${quiet[@]}" --blink-settings=preferredColorScheme=0 --window-size=1200,1400 --screenshot="$PWD/dark.png" "$page" 2>>chromium.log
chromium "${quiet[@]}" --print-to-pdf="$PWD/print.pdf" "$page" 2>>chromium.log
