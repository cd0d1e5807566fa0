import { TareError } from '../../src/base/errors.ts';
import type { ImageFetcher, ImagePusher, RegistryReader } from '../../src/registry-client/registry-client.ts';

/** All that an image store asks of registries. */
export type Registries = ImageFetcher & ImagePusher & RegistryReader;

const offline = (): Promise<never> => Promise.reject(new TareError('unavailable', 'offline'));

/** Registries that cannot be reached. */
export const offlineRegistry: Registries = {
  fetchImage: offline,
  openPush: offline,
  listTags: offline,
  inspect: offline,
};
