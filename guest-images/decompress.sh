#!/bin/bash
# decompress.sh FILE: writes FILE's content, decompressed according to its first bytes, to stdout.
. "$(dirname "$0")/lib.sh"
file=$1
case $(od -An -tx1 -N4 "$file" | tr -d ' \n') in
  1f8b*) exec gzip -dc "$file" ;;
  fd377a58) exec "$("$images/fetch-program.sh" xz xz-utils)" -dc "$file" ;;
  28b52ffd) exec "$("$images/fetch-program.sh" zstd zstd)" -dcq "$file" ;;
  02214c18) exec "$("$images/fetch-program.sh" lz4 lz4)" -dcq "$file" ;;
  425a68*) exec "$("$images/fetch-program.sh" bzip2 bzip2)" -dc "$file" ;;
  7f454c46) exec cat "$file" ;;
  *) fail "$file: unknown compression" ;;
esac
