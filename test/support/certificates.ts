import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** PEM files in one folder: `ca.crt`, and for each name `NAME.crt` and `NAME.key`, signed by it. */
export interface TestAuthority {
  readonly folder: string;
  /** Makes `NAME.crt` and `NAME.key` for 127.0.0.1, localhost and registry.invalid, good for servers and clients. */
  issue(name: string): { readonly cert: string; readonly key: string };
}

/** Makes a private authority below `folder` with openssl. */
export function makeAuthority(folder: string): TestAuthority {
  mkdirSync(folder, { recursive: true });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(folder, [
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    '2',
    '-subj',
    '/CN=test',
  ]);
  return {
    folder,
    issue(name) {
      openssl(folder, [
        'req',
        ...key,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        `/CN=${name}`,
      ]);
      writeFileSync(join(folder, 'ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.invalid\n');
      const signer = [
        '-CA',
        'ca.crt',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-extfile',
        'ext',
        '-days',
        '2',
      ];
      openssl(folder, ['x509', '-req', '-in', `${name}.csr`, ...signer, '-out', `${name}.crt`]);
      return { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
    },
  };
}

function openssl(cwd: string, args: readonly string[]): void {
  const result = Bun.spawnSync(['openssl', ...args], { cwd, stdout: 'ignore', stderr: 'pipe' });
  if (!result.success) throw new Error(`openssl ${args.join(' ')}: ${result.stderr.toString()}`);
}
