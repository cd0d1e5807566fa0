import { TareError } from '../../src/base/errors.ts';
import type { ImageFetcher, ImagePusher, RegistryReader } from '../../src/registry-client/registry-client.ts';

const offline = (): Promise<never> => Promise.reject(new TareError('unavailable', 'offline'));

/** Registries that cannot be reached. */
export const offlineRegistry: ImageFetcher & ImagePusher & RegistryReader = {
  fetchImage: offline,
  openPush: offline,
  listTags: offline,
  inspect: offline,
};
