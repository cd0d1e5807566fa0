import type { Platform } from '../oci/descriptor.ts';
import { normalizePlatform } from '../oci/platform.ts';
import { HttpError } from './errors.ts';
import type { Exchange } from './exchange.ts';

/**
 * The platforms of a request's parameter `name`, each an OCI platform in JSON. Throws with status 400 and Docker's
 * words.
 */
export function platforms(x: Exchange, name: string): Platform[] {
  return x.query.getAll(name).flatMap((text) => (text === '' ? [] : [decode(text)]));
}

/** The one platform of a request, or undefined. Throws with status 400 for several. */
export function onePlatform(x: Exchange): Platform | undefined {
  const all = platforms(x, 'platform');
  if (all.length > 1) throw new HttpError(400, 'multiple platform parameters not supported');
  return all[0];
}

function decode(text: string): Platform {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new HttpError(400, `failed to parse platform: ${error instanceof Error ? error.message : ''}`);
  }
  const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const field = (name: string): string => {
    const found = fields[name] ?? '';
    if (typeof found !== 'string')
      throw new HttpError(400, `failed to parse platform: ${name} is not a string`);
    return found;
  };
  const [os, architecture, variant, version] = [
    field('os'),
    field('architecture'),
    field('variant'),
    field('os.version'),
  ];
  if (os === '' && architecture === '' && (variant !== '' || version !== '')) {
    throw new HttpError(400, 'optional platform fields provided, but OS and Architecture are missing');
  }
  if (os === '' || architecture === '') {
    throw new HttpError(400, 'both OS and Architecture must be provided');
  }
  return normalizePlatform({
    os,
    architecture,
    ...(variant === '' ? {} : { variant }),
    ...(version === '' ? {} : { 'os.version': version }),
  });
}
