import { createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { messageOf, TareError } from '../../base/errors.ts';

/** A key that tokens may be signed with. */
export interface TokenKey {
  readonly id: string | undefined;
  readonly key: KeyObject;
}

export interface TokenClaims {
  /** Who it was given to. */
  readonly subject: string;
  readonly access: readonly TokenAccess[];
}

/** An entry of the `access` claim (Docker's token specification). */
export interface TokenAccess {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** Clocks may differ by so many seconds. */
const LEEWAY = 60;

/** The algorithms that are taken, each with the one kind of key that it goes with (RFC 7518). */
const ALGORITHMS: Readonly<Record<string, { hash: string | null; fits: (key: KeyObject) => boolean }>> = {
  RS256: { hash: 'sha256', fits: (key) => key.asymmetricKeyType === 'rsa' },
  ES256: {
    hash: 'sha256',
    fits: (key) => key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1',
  },
  EdDSA: { hash: null, fits: (key) => key.asymmetricKeyType === 'ed25519' },
};

/** The public keys of a file: PEM keys and certificates, or a JSON Web Key set. Throws `invalid`. */
export function parseTokenKeys(text: string): TokenKey[] {
  try {
    if (text.trimStart().startsWith('{')) {
      const set: unknown = JSON.parse(text);
      const keys = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : [set];
      if (!Array.isArray(keys)) throw new Error('"keys" is not a list');
      return keys.map((jwk) => ({ id: jwk?.kid, key: createPublicKey({ key: jwk, format: 'jwk' }) }));
    }
    const blocks = text.match(/-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g) ?? [];
    if (blocks.length === 0) throw new Error('it holds neither PEM nor JSON');
    return blocks.map((pem) => ({
      id: undefined,
      key: pem.includes('BEGIN CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem),
    }));
  } catch (error) {
    throw new TareError('invalid', `no public keys: ${messageOf(error)}`, error);
  }
}

/**
 * The claims of a token, when one of the keys signed it and it is meant for us and of now. Throws `unauthorized`, with
 * the reason.
 */
export function verifyToken(
  token: string,
  keys: readonly TokenKey[],
  expected: { readonly issuer: string; readonly audience: string; readonly now: number },
): TokenClaims {
  const parts = token.split('.');
  if (parts.length !== 3) throw refused('it is no signed token');
  const [head = '', body = '', signature = ''] = parts;
  const { alg, kid, crit } = decodeObject(head);
  const algorithm = typeof alg === 'string' && Object.hasOwn(ALGORITHMS, alg) ? ALGORITHMS[alg] : undefined;
  if (algorithm === undefined)
    throw refused(`its algorithm is not one of ${Object.keys(ALGORITHMS).join(', ')}`);
  // RFC 7515, 4.1.11: what must be understood and is not makes the token invalid.
  if (crit !== undefined) throw refused('it has critical extensions');
  const data = Buffer.from(`${head}.${body}`);
  const bytes = Buffer.from(signature, 'base64url');
  const fitting = keys.filter(({ id, key }) => algorithm.fits(key) && (id === undefined || id === kid));
  const signed = fitting.some(({ key }) =>
    verify(algorithm.hash, data, { key, dsaEncoding: 'ieee-p1363' }, bytes),
  );
  if (!signed) throw refused('no known key signed it');
  return checkClaims(decodeObject(body), expected);
}

function checkClaims(
  claims: Readonly<Record<string, unknown>>,
  { issuer, audience, now }: { readonly issuer: string; readonly audience: string; readonly now: number },
): TokenClaims {
  const { iss, aud, exp, nbf, sub, access } = claims;
  const seconds = now / 1000;
  if (iss !== issuer) throw refused(`its issuer is not ${issuer}`);
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (!audiences.includes(audience)) throw refused(`it is not for ${audience}`);
  if (typeof exp !== 'number' || exp + LEEWAY < seconds) throw refused('it has expired');
  if (nbf !== undefined && (typeof nbf !== 'number' || nbf - LEEWAY > seconds))
    throw refused('it is not valid yet');
  return {
    subject: typeof sub === 'string' ? sub : '',
    access: Array.isArray(access) ? access.filter(isAccess) : [],
  };
}

function isAccess(value: unknown): value is TokenAccess {
  if (typeof value !== 'object' || value === null) return false;
  const { type, name, actions } = value as Partial<TokenAccess>;
  return typeof type === 'string' && typeof name === 'string' && Array.isArray(actions);
}

function decodeObject(part: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value));
  } catch {
    // Said below.
  }
  throw refused('it cannot be read');
}

function refused(reason: string): TareError {
  return new TareError('unauthorized', `the token is refused: ${reason}`);
}
