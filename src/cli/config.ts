import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What Tare reads of docker's client configuration, `~/.docker/config.json`. */
export interface ClientConfig {
  readonly psFormat?: string;
  readonly statsFormat?: string;
  readonly imagesFormat?: string;
  readonly networksFormat?: string;
  readonly volumesFormat?: string;
  readonly detachKeys?: string;
}

/**
 * The configuration of the folder `dir`; empty when there is none or it can't be read, since no command needs it
 * to work.
 */
export function readConfig(dir: string): ClientConfig {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'));
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

/** A format that the user chose in the configuration file, or an empty text. */
export function configuredFormat(
  dir: string,
  name: 'psFormat' | 'imagesFormat' | 'networksFormat' | 'volumesFormat' | 'statsFormat',
): string {
  const format = readConfig(dir)[name];
  return typeof format === 'string' ? format : '';
}
