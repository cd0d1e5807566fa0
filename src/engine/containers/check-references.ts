import { TareError } from '../../base/errors.ts';
import { formatPlatform, matchesPlatform, normalizePlatform, parsePlatform } from '../../oci/platform.ts';
import type { Image } from '../images/images.ts';
import type { Container, CreateContainer, HostConfig } from './model.ts';

/**
 * Checks what a request says of other things: that the image is for its platform, and that the containers it
 * names are there. In Docker's words; `not-found` for the platform, else `invalid`.
 */
export function checkReferences(
  request: CreateContainer,
  image: Image,
  find: (ref: string) => Container | undefined,
): void {
  checkPlatform(image, request);
  // The user's own entries: an empty one would vanish when the image's are merged in.
  for (const entry of request.config.env) {
    if (entry === '' || entry.startsWith('=')) {
      throw new TareError('invalid', `invalid environment variable: ${entry}`);
    }
  }
  checkPartners(request.hostConfig, find);
}

function checkPlatform(image: Image, request: CreateContainer): void {
  if (!request.platform) return;
  const wanted = parsePlatform(request.platform);
  if (matchesPlatform(normalizePlatform(image.config), wanted)) return;
  throw new TareError(
    'not-found',
    `image with reference ${request.config.image} was found but does not provide the specified platform (${formatPlatform(wanted)})`,
  );
}

/** The containers whose pid or ipc namespace is to be joined must exist; they need not run yet. */
function checkPartners({ pidMode, ipcMode }: HostConfig, find: (ref: string) => Container | undefined): void {
  for (const [mode, what] of [
    [pidMode, 'PID'],
    [ipcMode, 'IPC'],
  ] as const) {
    // What is no mode at all is refused with the rest of the request.
    const ref = /^container:(.+)$/.exec(mode)?.[1];
    if (ref !== undefined && !find(ref)) {
      throw new TareError('invalid', `failed to join ${what} namespace: No such container: ${ref}`);
    }
  }
}
