import { posix } from 'node:path';
import { TareError } from '../../base/errors.ts';

/** A parsed `-v` argument. */
export interface BindSpec {
  /** Absolute path, or a volume's name, or empty for an anonymous volume. */
  readonly source: string;
  readonly destination: string;
  readonly mode: string;
  readonly readWrite: boolean;
  readonly propagation: string;
  readonly noCopy: boolean;
}

/** How mounts below a bind propagate between host and container (mount_namespaces(7)). */
export const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
const CONSISTENCIES = ['consistent', 'cached', 'delegated', 'default'];

function invalid(spec: string, why: string): TareError {
  return new TareError('invalid', `invalid volume specification: '${spec}'${why ? `: ${why}` : ''}`);
}

/** Checks a mount's target inside the container and cleans it. */
export function checkTarget(target: string, describe: (why: string) => TareError): string {
  if (!target.startsWith('/')) throw describe(`invalid mount path: '${target}' mount path must be absolute`);
  const clean = posix.normalize(target).replace(/(?<=.)\/$/, '');
  if (clean === '/') throw describe("invalid specification: destination can't be '/'");
  return clean;
}

/** Volume names as Docker allows them. */
export function isVolumeName(name: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name);
}

/** Parses `[SOURCE:]DESTINATION[:MODE]` in Docker's rules and words. */
export function parseBind(spec: string): BindSpec {
  const parts = spec.split(':');
  const [first = '', second, third] = parts;
  if (parts.length > 3 || parts.some((part, index) => part === '' && index < 2)) throw invalid(spec, '');
  if (second === undefined) {
    const destination = checkTarget(first, (why) => invalid(spec, why));
    return { source: '', destination, mode: '', readWrite: true, propagation: '', noCopy: false };
  }
  const destination = checkTarget(second, (why) => invalid(spec, why));
  const mode = third ?? '';
  const isPath = first.startsWith('/');
  if (!isPath && !isVolumeName(first)) {
    throw new TareError(
      'invalid',
      `create ${first}: "${first}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
  const options = parseMode(spec, mode);
  if (options.noCopy && isPath) throw new TareError('invalid', `invalid mode: ${mode}`);
  return { source: isPath ? posix.normalize(first) : first, destination, mode, ...options };
}

function parseMode(spec: string, mode: string): { readWrite: boolean; propagation: string; noCopy: boolean } {
  let readWrite = true;
  let propagation = '';
  let noCopy = false;
  const seen = new Set<string>();
  for (const word of mode === '' ? [] : mode.split(',')) {
    const kind =
      word === 'ro' || word === 'rw'
        ? 'access'
        : word === 'z' || word === 'Z'
          ? 'label'
          : PROPAGATIONS.includes(word)
            ? 'propagation'
            : CONSISTENCIES.includes(word)
              ? 'consistency'
              : word === 'nocopy'
                ? 'copy'
                : undefined;
    if (kind === undefined || seen.has(kind)) {
      throw invalid(spec, `invalid mode: ${mode}`);
    }
    seen.add(kind);
    if (word === 'ro') readWrite = false;
    if (kind === 'propagation') propagation = word;
    if (kind === 'copy') noCopy = true;
  }
  return { readWrite, propagation, noCopy };
}
