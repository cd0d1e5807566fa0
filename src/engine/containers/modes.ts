import { TareError } from '../../base/errors.ts';

/** A parsed `--net`, `--pid`, `--ipc` …: a plain word, or another container's namespace. */
export type NamespaceMode =
  | { readonly kind: 'word'; readonly word: string }
  | { readonly kind: 'container'; readonly ref: string };

/** Splits `container:REF` from plain modes. Throws in Docker's words for an empty REF. */
export function parseMode(mode: string, what: string): NamespaceMode {
  if (mode === 'container' || mode === 'container:') {
    throw new TareError('invalid', `invalid ${what} mode: invalid container format container:<name|id>`);
  }
  if (mode.startsWith('container:')) return { kind: 'container', ref: mode.slice('container:'.length) };
  return { kind: 'word', word: mode };
}

/** The network mode with Docker's default filled in. */
export function networkMode(mode: string): NamespaceMode {
  return parseMode(mode === '' || mode === 'default' ? 'bridge' : mode, 'network');
}
