import { TareError } from '../base/errors.ts';
import { parseDigest } from './digest.ts';

/**
 * An image reference, normalised as Docker does it: `nginx` is domain `docker.io`, path `library/nginx`. The
 * grammar is the one that the distribution project documents: `[domain[:port]/]path[:tag][@digest]`.
 */
export interface Reference {
  /** Registry host, with port where one was given: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** Repository within the registry: `library/nginx`. */
  readonly path: string;
  readonly tag?: string;
  /** `algorithm:hex`. */
  readonly digest?: string;
}

export const DEFAULT_DOMAIN = 'docker.io';
export const DEFAULT_TAG = 'latest';
const LEGACY_DEFAULT_DOMAIN = 'index.docker.io';
const OFFICIAL_PREFIX = 'library/';
/** Longest repository path in characters. */
const PATH_LIMIT = 255;

const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])`;
const DOMAIN = `${HOST}(?::[0-9]+)?`;
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const REFERENCE = new RegExp(`^(${DOMAIN})/(${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const TAG_ONLY = new RegExp(`^${TAG}$`);
const IMAGE_ID = /^[a-f0-9]{64}$/;
/** Longer texts cannot be references; refusing them early keeps the grammar's backtracking bounded. */
const TEXT_LIMIT = 4096;

/**
 * Parses and normalises what a person types. Throws `invalid` with Docker's words: "invalid reference format",
 * "invalid reference format: repository name (library/ABC) must be lowercase", "invalid repository name (…),
 * cannot specify 64-byte hexadecimal strings", "repository name must not be more than 255 characters".
 */
export function parseReference(text: string): Reference {
  if (IMAGE_ID.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  if (text.length > TEXT_LIMIT) throw invalid('invalid reference format');
  const { domain, remainder } = splitDomain(text);
  const colon = remainder.indexOf(':');
  const name = colon === -1 ? remainder : remainder.slice(0, colon);
  if (name.toLowerCase() !== name) {
    throw invalid(`invalid reference format: repository name (${name}) must be lowercase`);
  }
  const match = REFERENCE.exec(`${domain}/${remainder}`);
  if (match === null) throw invalid('invalid reference format');
  const [, host = '', path = '', tag, digest] = match;
  if (path.length > PATH_LIMIT) {
    throw invalid(`repository name must not be more than ${PATH_LIMIT} characters`);
  }
  if (digest !== undefined) parseDigest(digest);
  return makeReference(host, path, tag, digest);
}

/** Like parseReference, undefined when the text is no reference. */
export function tryParseReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof TareError) return undefined;
    throw error;
  }
}

/** The repository with its domain: `docker.io/library/nginx`. Two references name one repository if equal. */
export function canonicalName(ref: Reference): string {
  return `${ref.domain}/${ref.path}`;
}

/** The whole normalised reference: `docker.io/library/nginx:latest`. */
export function canonicalString(ref: Reference): string {
  return canonicalName(ref) + suffix(ref);
}

/** The repository as Docker prints it: `nginx`, `user/app`, `host:5000/a/b`. */
export function familiarName(ref: Reference): string {
  if (ref.domain !== DEFAULT_DOMAIN) return canonicalName(ref);
  const official = ref.path.startsWith(OFFICIAL_PREFIX) ? ref.path.slice(OFFICIAL_PREFIX.length) : '';
  return official === '' || official.includes('/') ? ref.path : official;
}

/** The reference as Docker prints it: `nginx:latest`, `nginx@sha256:…`. */
export function familiarString(ref: Reference): string {
  return familiarName(ref) + suffix(ref);
}

/** Adds `latest` when there is neither tag nor digest. */
export function withDefaultTag(ref: Reference): Reference {
  return ref.tag === undefined && ref.digest === undefined ? withTag(ref, DEFAULT_TAG) : ref;
}

/** The same repository with this tag and no digest. Throws `invalid` for what is no tag. */
export function withTag(ref: Reference, tag: string): Reference {
  if (!isTag(tag)) throw invalid('invalid tag format');
  return makeReference(ref.domain, ref.path, tag, undefined);
}

/** The same repository with this digest and no tag. Throws `invalid` for what is no digest. */
export function withDigest(ref: Reference, digest: string): Reference {
  parseDigest(digest);
  return makeReference(ref.domain, ref.path, undefined, digest);
}

/** Only the repository. */
export function withoutTag(ref: Reference): Reference {
  return makeReference(ref.domain, ref.path, undefined, undefined);
}

/** What a registry's manifest URL ends with: the digest if there is one, else the tag, else `latest`. */
export function manifestSelector(ref: Reference): string {
  return ref.digest ?? ref.tag ?? DEFAULT_TAG;
}

export function sameReference(a: Reference, b: Reference): boolean {
  return canonicalString(a) === canonicalString(b);
}

export function sameRepository(a: Reference, b: Reference): boolean {
  return a.domain === b.domain && a.path === b.path;
}

/** True for 64 hex digits, which name an image by id and never a repository. */
export function isImageId(text: string): boolean {
  return IMAGE_ID.test(text);
}

/** True for a word, dot or dash sequence of 1 to 128 characters that starts with a word character. */
export function isTag(text: string): boolean {
  return TAG_ONLY.test(text);
}

/**
 * The first component is a domain when it could be nothing else: it holds a dot or a colon, is `localhost`, or
 * has upper-case letters, which a repository never has.
 */
function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const isDomain =
    slash !== -1 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  const given = isDomain ? first : DEFAULT_DOMAIN;
  const rest = isDomain ? text.slice(slash + 1) : text;
  const domain = given === LEGACY_DEFAULT_DOMAIN ? DEFAULT_DOMAIN : given;
  const official = domain === DEFAULT_DOMAIN && !rest.includes('/');
  return { domain, remainder: official ? OFFICIAL_PREFIX + rest : rest };
}

function makeReference(domain: string, path: string, tag?: string, digest?: string): Reference {
  return {
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function suffix(ref: Reference): string {
  const tag = ref.tag === undefined ? '' : `:${ref.tag}`;
  return ref.digest === undefined ? tag : `${tag}@${ref.digest}`;
}

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}
