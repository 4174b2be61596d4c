#!/usr/bin/env bash
# dist.sh VERSION [FOLDER]: packs the programs of build/, the libraries that they need and the demo model into
# FOLDER/tandem-VERSION-OS-ARCH.tar.gz, which runs without Python, compiler or root. Called by `make dist`.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh
use_own_build_tools

version=$1
folder=${2:-$PWD}
build=${TANDEM_BUILD:-build}
case "$(uname -s)" in
  Darwin) system=macos ;;
  *) system=linux ;;
esac
name=tandem-$version-$system-$(uname -m)

if [ ! -f demo/model/config.json ]; then
  echo "demo/model holds no model to pack: tools/train_demo.py makes it" >&2
  exit 1
fi
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
if ! cmake --install "$build" --prefix "$staging/$name" > "$staging/install.log" 2>&1; then
  cat "$staging/install.log" >&2
  exit 1
fi

# Whose code the other libraries are, as the system's packages say it.
copy_licenses() {
  local library package
  for library in "$staging/$name"/lib/*; do
    package=$(dpkg -S "*/$(basename "$library")" 2>/dev/null | head -n 1 | cut -d: -f1) || true
    if [ -n "$package" ] && [ -f "/usr/share/doc/$package/copyright" ]; then
      mkdir -p "$staging/$name/share/tandem/licenses/$package"
      cp "/usr/share/doc/$package/copyright" "$staging/$name/share/tandem/licenses/$package/"
    fi
  done
}

# Everything that is needed is in lib/ or belongs to the C library.
check_libraries() {
  local file needed
  for file in "$staging/$name"/bin/* "$staging/$name"/lib/*; do
    for needed in $(objdump -p "$file" | awk '$1 == "NEEDED" { print $2 }'); do
      case "$needed" in
        ld-linux* | libc.so* | libm.so* | libdl.so* | librt.so* | libpthread.so* | libresolv.so* | libutil.so*) ;;
        *)
          if [ ! -e "$staging/$name/lib/$needed" ]; then
            echo "$(basename "$file") needs $needed, which was not found" >&2
            return 1
          fi
          ;;
      esac
    done
  done
}

# Homebrew's libraries are known by their full paths: from here on they are found beside one another.
relink_for_macos() {
  local file needed
  chmod -R u+w "$staging/$name/lib"
  for file in "$staging/$name"/bin/* "$staging/$name"/lib/*; do
    for needed in $(otool -L "$file" | awk 'NR > 1 { print $1 }' | grep -vE '^(/usr/lib|/System|@)'); do
      install_name_tool -change "$needed" "@rpath/$(basename "$needed")" "$file"
    done
    case "$file" in */lib/*) install_name_tool -id "@rpath/$(basename "$file")" -add_rpath @loader_path "$file" ;; esac
    codesign --force --sign - "$file"
  done
}

if [ "$system" = macos ]; then
  relink_for_macos
  owner=(--uid 0 --gid 0)
else
  check_libraries
  copy_licenses
  owner=(--owner=0 --group=0)
fi

# Under its name only when whole.
tar -C "$staging" "${owner[@]}" -czf "$staging/archive" "$name"
mv "$staging/archive" "$folder/$name.tar.gz"
echo "$folder/$name.tar.gz ($(($(wc -c < "$folder/$name.tar.gz") / 1000000)) MB)"
