# What quickstart and check share: installing Debian packages and npm dependencies. Sourced, not run.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

require_root() {
  [ "$(id -u)" = 0 ] || fail "must run as root (namespaces, mounts and firewall rules need it). Try: sudo $0"
}

# Debian and what descends from it, on processors that Bun and this engine know.
require_debian() {
  [ "$(uname -s)" = Linux ] || fail "needs Linux; this is $(uname -s)"
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    fail "needs Debian or a system like it (apt-get was not found). See scripts/packages.txt for what to install by hand."
  case "$(uname -m)" in
    x86_64 | aarch64) ;;
    *) fail "processor $(uname -m) is not supported; x86_64 and aarch64 are" ;;
  esac
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
is_known() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# missing_packages GROUP...: each package not installed, with its alternatives (`a|b`), one a line.
missing_packages() {
  local name group command alternative found
  while read -r name group command; do
    case "$name" in '' | '#'*) continue ;; esac
    case " $* " in *" $group "*) ;; *) continue ;; esac
    if [ -n "$command" ] && command -v "$command" >/dev/null; then continue; fi
    found=
    for alternative in ${name//|/ }; do is_installed "$alternative" && found=yes; done
    [ -n "$found" ] || printf '%s\n' "$name"
  done <"$ROOT/scripts/packages.txt"
}

# choose NAME|ALTERNATIVE: the first that this distribution has.
choose() {
  local alternative
  for alternative in ${1//|/ }; do
    if is_known "$alternative"; then printf '%s\n' "$alternative"; return; fi
  done
  return 1
}

# install_packages GROUP...: installs what is missing; starts no service.
install_packages() {
  local wanted names=() name
  wanted=$(missing_packages "$@")
  [ -n "$wanted" ] || return 0
  require_root
  for name in $wanted; do
    choose "$name" >/dev/null || { apt_update; break; }
  done
  for name in $wanted; do
    names+=("$(choose "$name")") || fail "no package ${name//|/ or } in this system's package sources"
  done
  say "installing: ${names[*]}"
  hold_services
  if ! apt_install "${names[@]}"; then
    apt_update
    apt_install "${names[@]}" || { release_services; fail "apt-get could not install: ${names[*]}"; }
  fi
  release_services
}

apt_update() {
  say 'refreshing the package lists'
  apt-get update -q >&2 </dev/null || fail 'apt-get update failed: is there a network, and are the package sources right?'
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2 </dev/null
}

# A package's scripts ask policy-rc.d before they start a service; ours says no, and goes away afterwards.
POLICY=/usr/sbin/policy-rc.d
HELD=
hold_services() {
  [ -e "$POLICY" ] && return
  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
  HELD=yes
  trap release_services EXIT
}
release_services() {
  [ -n "$HELD" ] && rm -f "$POLICY"
  HELD=
}

# True when node_modules holds each package of the lock file in its version.
dependencies_installed() {
  [ -x "$ROOT/node_modules/.bin/bun" ] || return 1
  "$ROOT/node_modules/.bin/bun" "$ROOT/scripts/dependencies-installed.ts" "$ROOT" 2>/dev/null
}

install_dependencies() {
  dependencies_installed && return
  install_packages build
  say 'installing the npm dependencies (with the Bun binary)'
  (cd "$ROOT" && npm ci --no-audit --no-fund --loglevel=error >&2 </dev/null) ||
    fail 'npm ci failed: is there a network, and is the npm registry right (npm config get registry)?'
  dependencies_installed || fail 'npm ci left node_modules incomplete; remove node_modules and try again'
}
