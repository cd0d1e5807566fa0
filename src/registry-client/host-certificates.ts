import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, TareError } from '../base/errors.ts';

/** What Docker's `certs.d` says about one registry host. */
export interface HostCertificates {
  /** PEM certificates of authorities that are trusted for this host beside the system's. */
  readonly authorities: readonly string[];
  /** PEM certificates with their keys that this machine shows to the host. */
  readonly clients: readonly { readonly cert: string; readonly key: string }[];
}

export const NO_CERTIFICATES: HostCertificates = { authorities: [], clients: [] };

/** Where certificates of registries lie on a machine; dockerd's folder is read, too. */
export const CERTIFICATE_FOLDERS: readonly string[] = ['/etc/tare/certs.d', '/etc/docker/certs.d'];

/**
 * Reads the folders `ROOT/HOST[:PORT]` of all `roots`: `*.crt` are authorities, `NAME.cert` with `NAME.key` is a
 * client certificate. A missing folder says nothing. Throws `invalid` in dockerd's words for half a pair and
 * for a file that can't be read.
 */
export function readHostCertificates(roots: readonly string[], host: string): HostCertificates {
  const authorities: string[] = [];
  const clients: { cert: string; key: string }[] = [];
  for (const root of roots) {
    const folder = join(root, host);
    const names = filesOf(folder);
    for (const name of names) {
      if (name.endsWith('.crt')) authorities.push(readText(join(folder, name)));
      if (name.endsWith('.cert')) {
        const key = `${name.slice(0, -'.cert'.length)}.key`;
        if (!names.includes(key)) {
          throw new TareError(
            'invalid',
            `missing key ${key} for client certificate ${name} in ${folder}. CA certificates must use the extension .crt`,
          );
        }
        clients.push({ cert: readText(join(folder, name)), key: readText(join(folder, key)) });
      }
      const cert = `${name.slice(0, -'.key'.length)}.cert`;
      if (name.endsWith('.key') && !names.includes(cert)) {
        throw new TareError('invalid', `missing client certificate ${cert} for key ${name} in ${folder}`);
      }
    }
  }
  return { authorities, clients };
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new TareError('invalid', `reading the certificates in ${folder}: ${messageOf(error)}`, error);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new TareError('invalid', `reading the certificate ${path}: ${messageOf(error)}`, error);
  }
}
