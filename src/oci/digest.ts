import { createHash, type Hash } from 'node:crypto';
import { TareError } from '../base/errors.ts';

/**
 * Content digests (OCI image-spec, descriptor.md, "Digests"): `algorithm:encoded`, where encoded is lower-case
 * hex. The two algorithms the specification registers are known; error words are those Docker users see.
 */
export type DigestAlgorithm = 'sha256' | 'sha512';

export interface Digest {
  readonly algorithm: DigestAlgorithm;
  /** Lower-case hex: 64 digits for sha256, 128 for sha512. */
  readonly hex: string;
}

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };
const GRAMMAR = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;
const HEX = /^[a-f0-9]+$/;

/**
 * Splits a digest into its parts. Throws `invalid`: "invalid checksum digest format", "unsupported digest
 * algorithm" or "invalid checksum digest length".
 */
export function parseDigest(text: string): Digest {
  if (!GRAMMAR.test(text)) throw new TareError('invalid', 'invalid checksum digest format');
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  const hex = text.slice(colon + 1);
  if (!isAlgorithm(algorithm)) throw new TareError('invalid', 'unsupported digest algorithm');
  if (hex.length !== HEX_LENGTH[algorithm]) throw new TareError('invalid', 'invalid checksum digest length');
  if (!HEX.test(hex)) throw new TareError('invalid', 'invalid checksum digest format');
  return { algorithm, hex };
}

/** True when `text` is a whole digest of a known algorithm. */
export function isDigest(text: string): boolean {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  const hex = text.slice(colon + 1);
  return colon > 0 && isAlgorithm(algorithm) && hex.length === HEX_LENGTH[algorithm] && HEX.test(hex);
}

/** The digest of bytes in memory. */
export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** A running hash; `digest()` ends it and may be called once. */
export interface Digester {
  update(chunk: Uint8Array): void;
  digest(): string;
}

/** Starts a running hash, for bytes that stream by. */
export function createDigester(algorithm: DigestAlgorithm = 'sha256'): Digester {
  const hash: Hash = createHash(algorithm);
  return {
    update: (chunk) => void hash.update(chunk),
    digest: () => `${algorithm}:${hash.digest('hex')}`,
  };
}

/** The first 12 hex digits, as Docker shows ids; the text itself without its algorithm if it is shorter. */
export function shortDigest(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12);
}

function isAlgorithm(text: string): text is DigestAlgorithm {
  return text === 'sha256' || text === 'sha512';
}
