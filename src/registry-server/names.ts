import { isDigest, parseDigest } from '../oci/digest.ts';
import { RegistryError } from './registry-error.ts';

/** distribution-spec, "Pulling manifests": the grammar of `<name>` and of tags. */
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
/** Clients bound host and name together by this. */
const NAME_LIMIT = 255;

export function isName(text: string): boolean {
  return text.length <= NAME_LIMIT && NAME.test(text);
}

/** Throws NAME_INVALID. */
export function checkName(name: string): void {
  if (!isName(name)) {
    throw new RegistryError('NAME_INVALID', { detail: { name: name.slice(0, NAME_LIMIT) } });
  }
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Throws DIGEST_INVALID for what is no whole digest of a known algorithm. */
export function checkDigest(text: string | null): string {
  if (text !== null && isDigest(text)) return text;
  throw new RegistryError('DIGEST_INVALID', { message: reasonOf(text ?? ''), detail: { digest: text } });
}

/** What a manifest's reference is. `neither` can name nothing that exists. */
export function kindOfReference(reference: string): 'tag' | 'digest' | 'neither' {
  if (isDigest(reference)) return 'digest';
  return isTag(reference) ? 'tag' : 'neither';
}

function reasonOf(text: string): string {
  try {
    parseDigest(text);
    return 'invalid digest';
  } catch (error) {
    return error instanceof Error ? error.message : 'invalid digest';
  }
}
