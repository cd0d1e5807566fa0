import { TareError } from '../base/errors.ts';
import type { Descriptor, Platform } from './descriptor.ts';

/**
 * Platforms: parsing `os[/arch[/variant]]`, one spelling for each, and choosing from an index. The rules are
 * those of containerd's platforms package, which Docker uses: a machine also runs older variants of its
 * architecture, and the 32-bit sibling after those.
 */

const KNOWN_OS = new Set([
  'aix',
  'android',
  'darwin',
  'dragonfly',
  'freebsd',
  'illumos',
  'ios',
  'js',
  'linux',
  'netbsd',
  'openbsd',
  'plan9',
  'solaris',
  'wasip1',
  'windows',
]);
const KNOWN_ARCHITECTURES = new Set([
  '386',
  'amd64',
  'arm',
  'arm64',
  'loong64',
  'mips',
  'mips64',
  'mips64le',
  'mipsle',
  'ppc64',
  'ppc64le',
  'riscv64',
  's390x',
  'wasm',
]);
const PART = /^[A-Za-z0-9_.-]+$/;

/** Node's names for the machine's architecture, in OCI's words. */
const HOST_ARCHITECTURE: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  arm64: 'arm64',
  arm: 'arm',
  riscv64: 'riscv64',
  ppc64: 'ppc64le',
  s390x: 's390x',
  loong64: 'loong64',
};

/** The platform this machine runs. */
export function hostPlatform(arch: string = process.arch): Platform {
  return normalizePlatform({ os: 'linux', architecture: HOST_ARCHITECTURE[arch] ?? arch });
}

/**
 * Parses `os/arch/variant`, `os/arch`, or one of the two alone, completed from the host. Throws `invalid`.
 */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const parts = text.split('/');
  const bad = parts.find((part) => !PART.test(part));
  if (bad !== undefined) {
    const which = bad === parts[0] ? 'OS component' : 'component';
    throw invalid(
      `"${bad}" is an invalid ${which} of "${text}": platform specifier component must match "${PART.source}": invalid argument`,
    );
  }
  const [first = '', second, third] = parts;
  if (parts.length > 3) throw invalid(`"${text}": cannot parse platform specifier: invalid argument`);
  if (second === undefined) return parseSingle(text, first, host);
  const variant = third === undefined ? {} : { variant: third };
  return normalizePlatform({ os: first, architecture: second, ...variant });
}

function parseSingle(text: string, part: string, host: Platform): Platform {
  const os = normalizeOs(part);
  if (KNOWN_OS.has(os)) return { ...host, os };
  const platform = normalizePlatform({ os: host.os, architecture: part });
  if (KNOWN_ARCHITECTURES.has(platform.architecture)) return platform;
  throw invalid(`"${text}": unknown operating system or architecture: invalid argument`);
}

/** One spelling for each platform: `x86_64` is `amd64`, `aarch64` is `arm64`, `arm` is `arm/v7`. */
export function normalizePlatform(platform: Platform): Platform {
  const { architecture, variant } = normalizeArchitecture(platform.architecture, platform.variant ?? '');
  const { variant: _dropped, ...rest } = platform;
  return {
    ...rest,
    os: normalizeOs(platform.os),
    architecture,
    ...(variant === '' ? {} : { variant }),
  };
}

function normalizeOs(os: string): string {
  const lower = os.toLowerCase();
  return lower === 'macos' ? 'darwin' : lower;
}

function normalizeArchitecture(
  givenArchitecture: string,
  givenVariant: string,
): { architecture: string; variant: string } {
  const architecture = givenArchitecture.toLowerCase();
  const variant = givenVariant.toLowerCase();
  switch (architecture) {
    case 'i386':
    case '386':
      return { architecture: '386', variant: '' };
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return { architecture: 'amd64', variant: variant === 'v1' ? '' : variant };
    case 'aarch64':
    case 'arm64':
      return {
        architecture: 'arm64',
        variant: ['8', 'v8', 'v8.0'].includes(variant) ? '' : numbered(variant),
      };
    case 'armhf':
      return { architecture: 'arm', variant: 'v7' };
    case 'armel':
      return { architecture: 'arm', variant: 'v6' };
    case 'arm':
      return { architecture: 'arm', variant: variant === '' ? 'v7' : numbered(variant) };
    default:
      return { architecture, variant };
  }
}

/** `7` is `v7`. */
function numbered(variant: string): string {
  return /^[0-9]/.test(variant) ? `v${variant}` : variant;
}

/** `os/arch` or `os/arch/variant`. */
export function formatPlatform(platform: Platform): string {
  const variant = platform.variant === undefined ? '' : `/${platform.variant}`;
  return `${platform.os}/${platform.architecture}${variant}`;
}

/**
 * What a machine of this platform can run, best first: itself, lower variants, then the 32-bit architecture.
 */
export function compatiblePlatforms(wanted: Platform): Platform[] {
  const own = normalizePlatform(wanted);
  const of = (architecture: string, variant?: string) =>
    normalizePlatform({ os: own.os, architecture, ...(variant === undefined ? {} : { variant }) });
  const level = Number.parseInt((own.variant ?? '').replace(/^v/, ''), 10) || 0;
  switch (own.architecture) {
    case 'amd64':
      return [own, ...below(level, 1).map((v) => of('amd64', v)), of('386')];
    case 'arm':
      return [own, ...below(level, 5).map((v) => of('arm', v))];
    case 'arm64':
      return [
        own,
        ...(level === 0 ? [] : below(level, 8).map((v) => of('arm64', v))),
        ...(own.variant?.includes('.') ? [of('arm64', `v${level}`)] : []),
        ...['v8', 'v7', 'v6', 'v5'].map((v) => of('arm', v)),
      ];
    default:
      return [own];
  }
}

/** `v4`, `v3`, … from one below `level` down to `lowest`. */
function below(level: number, lowest: number): string[] {
  return Array.from({ length: Math.max(0, Math.min(level, 32) - lowest) }, (_, i) => `v${level - 1 - i}`);
}

/** True when an image for `offered` runs where `wanted` is asked for. */
export function matchesPlatform(offered: Platform, wanted: Platform): boolean {
  return rankOf(offered, wanted) !== undefined;
}

/** 0 is the best match; undefined none. */
function rankOf(offered: Platform, wanted: Platform): number | undefined {
  const normal = normalizePlatform(offered);
  const rank = compatiblePlatforms(wanted).findIndex(
    (candidate) =>
      candidate.os === normal.os &&
      candidate.architecture === normal.architecture &&
      (candidate.variant ?? '') === (normal.variant ?? ''),
  );
  return rank === -1 ? undefined : rank;
}

/**
 * The entry of an index that fits `wanted` best; among equals the first. An entry without a platform is taken
 * only when no entry names a fitting one. Undefined when none fits.
 */
export function choosePlatform(entries: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  let best: Descriptor | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const rank = entry.platform === undefined ? Number.MAX_SAFE_INTEGER : rankOf(entry.platform, wanted);
    if (rank !== undefined && rank < bestRank) {
      best = entry;
      bestRank = rank;
    }
  }
  return best;
}

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}
