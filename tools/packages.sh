# shellcheck shell=bash disable=SC2046,SC2086
# What tandem needs, by system, and how it is found and installed. Sourced by setup.sh, build.sh and the test that runs these
# choices with stubs (tests/python/test_setup.py). Runs under bash 3.2, which is macOS's.

TORCH_VERSION=2.13.0
CMAKE_AT_LEAST=3.25
BOOST_AT_LEAST=107400  # BOOST_VERSION of 1.74
# Headers that lie here count as installed, wherever they came from.
HEADER_FOLDERS="/usr/include /usr/local/include /opt/homebrew/include"

# Homebrew's folder is not in the PATH of every shell.
if [ "$(uname -s)" = Darwin ]; then PATH="$PATH:/opt/homebrew/bin:/usr/local/bin"; fi

# debian (and Ubuntu), macos, or unknown.
detect_system() {
  if [ "$(uname -s)" = Darwin ]; then
    echo macos
  elif [ -r /etc/os-release ] && grep -qE '^(ID|ID_LIKE)=.*(debian|ubuntu)' /etc/os-release && command -v apt-get >/dev/null; then
    echo debian
  else
    echo unknown
  fi
}

system_packages() {  # system, with tests
  case "$1" in
    macos)
      echo "python@3.13 cmake ninja ccache pkgconf boost nlohmann-json spdlog cli11 pcre2 utf8proc openssl@3"
      [ "$2" = 0 ] || echo "googletest jq node"
      ;;
    *)
      echo "g++ make cmake ninja-build ccache pkg-config python3 python3-venv curl"
      echo "libboost-dev nlohmann-json3-dev libspdlog-dev libcli11-dev libpcre2-dev libutf8proc-dev libssl-dev"
      [ "$2" = 0 ] || echo "libgtest-dev libgmock-dev jq npm"
      ;;
  esac
}

has_header() {  # path below a folder of headers
  local folder
  for folder in $HEADER_FOLDERS; do [ -e "$folder/$1" ] && return 0; done
  return 1
}

# A Boost that is too old does not count.
has_boost() {
  local folder version
  for folder in $HEADER_FOLDERS; do
    version=$(sed -n 's/^#define BOOST_VERSION \([0-9]*\).*/\1/p' "$folder/boost/version.hpp" 2>/dev/null || true)
    [ -n "$version" ] && [ "$version" -ge "$BOOST_AT_LEAST" ] && [ -e "$folder/boost/beast.hpp" ] && return 0
  done
  return 1
}

# What is there under another name, or from elsewhere, counts as well: the package manager is asked last.
has_package() {  # system, package
  case "$2" in
    g++) command -v c++ >/dev/null && return 0 ;;
    make | cmake | curl | jq | ccache | npm | node) command -v "$2" >/dev/null && return 0 ;;
    ninja*) command -v ninja >/dev/null && return 0 ;;
    pkg-config | pkgconf) command -v pkg-config >/dev/null && return 0 ;;
    python*) find_python >/dev/null && return 0 ;;
    libboost-dev | boost) has_boost && return 0 ;;
    nlohmann-json*) has_header nlohmann/json.hpp && return 0 ;;
    *spdlog*) has_header spdlog/spdlog.h && return 0 ;;
    *cli11*) has_header CLI/CLI.hpp && return 0 ;;
    *pcre2*) has_header pcre2.h && return 0 ;;
    *utf8proc*) has_header utf8proc.h && return 0 ;;
    libssl-dev) has_header openssl/ssl.h && return 0 ;;
    libgtest-dev | googletest) has_header gtest/gtest.h && return 0 ;;
    libgmock-dev) has_header gmock/gmock.h && return 0 ;;
  esac
  case "$1" in
    debian) dpkg-query -W -f='${db:Status-Abbrev}' "$2" 2>/dev/null | grep -q '^ii' ;;
    # Homebrew links every installed formula here; asking `brew list` takes a second each.
    macos) [ -e "$(brew --prefix 2>/dev/null)/opt/$2" ] ;;
    *) return 1 ;;
  esac
}

missing_system_packages() {  # system, with tests
  local package missing=""
  for package in $(system_packages "$1" "$2"); do
    has_package "$1" "$package" || missing="$missing $package"
  done
  echo ${missing}
}

# The command that installs, as the user could type it; nothing for a system that is not known.
install_command() {  # system, packages
  case "$1" in
    debian) echo "$(as_root)apt-get install -y --no-install-recommends $2" ;;
    macos) echo "brew install $2" ;;
  esac
}

as_root() { [ "$(id -u)" = 0 ] || echo "sudo "; }

install_system_packages() {  # system, packages
  case "$1" in
    debian)
      if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        echo "there is no sudo here; as root, run: apt-get install -y --no-install-recommends $2" >&2
        return 1
      fi
      $(as_root)apt-get update -qq
      $(as_root)env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $2 >/dev/null
      ;;
    macos)
      if ! command -v brew >/dev/null; then
        echo "Homebrew is not here (https://brew.sh): install it, or these by other means: $2" >&2
        return 1
      fi
      HOMEBREW_NO_AUTO_UPDATE=1 brew install --quiet $2
      ;;
  esac
}

# The first Python that torch has wheels for and that can make an environment.
find_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11 python3.10 python3.14; do
    if "$name" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' 2>/dev/null; then
      echo "$name"
      return 0
    fi
  done
  return 1
}

# The pip requirement for this machine: a CPU build on every Linux, where PyPI's own wheel may be the CUDA one.
torch_requirement() {  # uname -s, uname -m
  if [ "$1" = Darwin ] || [ "${TANDEM_CUDA:-0}" = 1 ]; then
    echo "torch==$TORCH_VERSION"
  else
    echo "torch==$TORCH_VERSION+cpu"
  fi
}

# Where pip looks beside its usual index: PyTorch's index of CPU builds, for those alone.
torch_index() {  # requirement
  case "$1" in *+cpu) echo "${TORCH_INDEX_URL:-https://download.pytorch.org/whl/cpu}" ;; esac
}

check_cuda_toolkit() {
  [ "${TANDEM_CUDA:-0}" = 1 ] || return 0
  if ! command -v nvcc >/dev/null && [ ! -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ]; then
    echo "TANDEM_CUDA=1 needs the CUDA toolkit (nvcc), which is not here: install it, or leave TANDEM_CUDA out for the CPU build" >&2
    return 1
  fi
}

# An environment that was left half made has no pip, and is made again.
make_venv() {
  .venv/bin/python -m pip --version >/dev/null 2>&1 && return 0
  local python
  if ! python=$(find_python); then
    echo "no Python from 3.10 to 3.14 with the venv module is here, and torch $TORCH_VERSION needs one: install it (now: $(python3 -V 2>&1))" >&2
    return 1
  fi
  "$python" -m venv --clear .venv
}

install_torch() {  # requirement
  local index
  index=$(torch_index "$1")
  # pip takes a CPU build for the plain release, and would keep it.
  [ "${TANDEM_CUDA:-0}" != 1 ] || ${PIP:-.venv/bin/python -m pip} uninstall --quiet --yes torch
  # Only torch itself is looked for in PyTorch's index: asking it for each of the twenty packages that torch needs took two
  # minutes where it cannot be reached.
  ${PIP:-.venv/bin/python -m pip} install --quiet --no-deps --retries 2 --timeout 30 ${index:+--extra-index-url "$index"} "$1"
  ${PIP:-.venv/bin/python -m pip} install --quiet "$1" numpy
  accept_torch "$1"
}

# A CPU build was asked for: nothing else is taken, gigabytes of CUDA least of all.
accept_torch() {  # requirement
  local built
  built=$(${PYTHON:-.venv/bin/python} -c 'import torch; print(torch.__version__, torch.version.cuda or "none")') || return 1
  case "$1:$built" in
    *+cpu:*" none") ;;
    *+cpu:*)
      echo "pip installed torch $built, and only a CPU build is wanted: remove .venv and check TORCH_INDEX_URL" >&2
      return 1
      ;;
    *:*" none")
      [ "${TANDEM_CUDA:-0}" = 1 ] || return 0
      echo "TANDEM_CUDA=1, but pip installed torch ${built% none}, a CPU build: remove .venv and check pip's index" >&2
      return 1
      ;;
  esac
}

version_at_least() {  # wanted, present
  awk -v wanted="$1" -v present="$2" 'BEGIN {
    split(wanted, w, "."); split(present, p, ".");
    for (i = 1; i <= 3; ++i) if (p[i] + 0 != w[i] + 0) exit p[i] + 0 < w[i] + 0;
    exit 0;
  }'
}

# Which of CMake and Ninja must come from PyPI, as pip requirements; nothing when the system's will do.
build_tools_wanted() {
  local cmake=cmake present wanted=""
  [ ! -x .venv/bin/cmake ] || cmake=.venv/bin/cmake
  present=$($cmake --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p' || true)
  version_at_least "$CMAKE_AT_LEAST" "${present:-0}" || wanted="cmake>=$CMAKE_AT_LEAST"
  command -v ninja >/dev/null || [ -x .venv/bin/ninja ] || wanted="$wanted ninja"
  echo ${wanted}
}

# The environment's tools are there only where the system's would not do.
use_own_build_tools() {
  if [ -x .venv/bin/cmake ]; then PATH="$PWD/.venv/bin:$PATH"; fi
}

install_build_tools() {  # requirements
  ${PIP:-.venv/bin/python -m pip} install --quiet $1
}
