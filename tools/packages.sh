# What tandem needs, by system, and how it is installed. Sourced by setup.sh and by the test that runs the choices with a stub pip.

TORCH_VERSION=2.13.0
CMAKE_AT_LEAST=3.25

# debian (and Ubuntu), macos, or unknown.
detect_system() {
  if [ "$(uname -s)" = Darwin ]; then echo macos; return; fi
  if [ -r /etc/os-release ] && grep -qE '^(ID|ID_LIKE)=.*(debian|ubuntu)' /etc/os-release && command -v apt-get >/dev/null; then
    echo debian
  else
    echo unknown
  fi
}

system_packages() {  # system, with tests
  case "$1" in
    macos)
      echo "boost nlohmann-json spdlog cli11 pcre2 utf8proc openssl@3 ccache pkgconf"
      [ "$2" = 0 ] || echo "googletest google-benchmark jq"
      ;;
    *)
      echo "g++ make cmake ninja-build ccache pkg-config python3 python3-venv curl"
      echo "libboost-dev nlohmann-json3-dev libspdlog-dev libcli11-dev libpcre2-dev libutf8proc-dev libssl-dev"
      [ "$2" = 0 ] || echo "libgtest-dev libgmock-dev libbenchmark-dev jq iproute2 nodejs npm"
      ;;
  esac
}

has_package() {  # system, package
  case "$1:$2" in
    # What is there under another name counts: a compiler, a Python with venv, Node.js from elsewhere.
    *:g++ | *:make | *:cmake | *:curl | *:jq | *:ccache | *:npm) command -v "$2" >/dev/null && return 0 ;;
    *:nodejs) command -v node >/dev/null && return 0 ;;
    *:python3 | *:python3-venv) python3 -c 'import venv, ensurepip' 2>/dev/null && return 0 ;;
    *:ninja-build) command -v ninja >/dev/null && return 0 ;;
    *:libboost-dev) [ -e /usr/include/boost/beast.hpp ] && return 0 ;;
  esac
  case "$1" in
    debian) dpkg-query -W -f='${db:Status-Abbrev}' "$2" 2>/dev/null | grep -q '^ii' ;;
    macos) brew list --versions "$2" >/dev/null 2>&1 ;;
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

install_system_packages() {  # system, packages
  local as_root=""
  case "$1" in
    debian)
      [ "$(id -u)" = 0 ] || as_root="sudo"
      $as_root apt-get update -qq
      # shellcheck disable=SC2086
      $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $2 > /dev/null
      ;;
    # shellcheck disable=SC2086
    macos) brew install --quiet $2 ;;
    *) echo "going on without installing system packages; the build says what is missing" ;;
  esac
}

# The pip requirement for this machine: always a CPU build on Linux, where PyPI's own wheel is the CUDA one.
torch_requirement() {  # uname -s, uname -m
  if [ "$1" = Darwin ] || [ "${TANDEM_CUDA:-0}" = 1 ]; then
    echo "torch==$TORCH_VERSION"
  else
    echo "torch==$TORCH_VERSION+cpu"
  fi
}

check_cuda_toolkit() {
  [ "${TANDEM_CUDA:-0}" = 1 ] || return 0
  if ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
    echo "TANDEM_CUDA=1 needs the CUDA toolkit (nvcc), which is not here: install it, or leave TANDEM_CUDA out for the CPU build" >&2
    return 1
  fi
}

make_venv() {
  if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "python3 is $(python3 -V), and torch $TORCH_VERSION needs 3.10 or newer: install a newer Python" >&2
    return 1
  fi
  [ -x .venv/bin/python ] || python3 -m venv .venv
}

install_torch() {  # requirement
  local index=()
  case "$1" in
    *+cpu) index=(--extra-index-url "${TORCH_INDEX_URL:-https://download.pytorch.org/whl/cpu}") ;;
  esac
  ${PIP:-.venv/bin/python -m pip} install --quiet --retries 2 --timeout 60 ${index[@]+"${index[@]}"} "$1" numpy
  accept_torch "$1"
}

# A CPU build was asked for: nothing else is taken, gigabytes of CUDA least of all.
accept_torch() {  # requirement
  local built
  built=$(${PYTHON:-.venv/bin/python} -c 'import torch; print(torch.__version__, torch.version.cuda or "none")')
  case "$1:$built" in
    *+cpu:*" none") ;;
    *+cpu:*) echo "pip installed torch $built, and only a CPU build is wanted: remove .venv and check TORCH_INDEX_URL" >&2; return 1 ;;
    *) [ "${TANDEM_CUDA:-0}" != 1 ] || case "$built" in *" none") echo "TANDEM_CUDA=1, but pip installed a CPU build of torch" >&2; return 1 ;; esac ;;
  esac
}

version_at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }  # wanted, present

install_build_tools() {
  local present
  present=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*//p')
  if [ -z "$present" ] || ! version_at_least "$CMAKE_AT_LEAST" "$present"; then
    ${PIP:-.venv/bin/python -m pip} install --quiet "cmake>=$CMAKE_AT_LEAST"
  fi
  command -v ninja >/dev/null || ${PIP:-.venv/bin/python -m pip} install --quiet ninja
}
