import { join } from 'node:path';
import { buildVersion } from '../base/build-version.ts';
import type { RegistryClient } from '../registry-client/client.ts';
import type { CommandContext } from './context.ts';

/**
 * The registry client, for what is done without the daemon (docs/adr/0009). It is loaded here and nowhere else, so
 * that other commands do not pay for it.
 * @param insecure hosts whose certificates are not verified, and that may be asked by plain http
 */
export async function openRegistries(
  context: Pick<CommandContext, 'configDir'>,
  insecure: readonly string[] = [],
): Promise<RegistryClient> {
  const { RegistryClient } = await import('../registry-client/client.ts');
  const { CERTIFICATE_FOLDERS, readHostCertificates } = await import(
    '../registry-client/host-certificates.ts'
  );
  const folders = [...CERTIFICATE_FOLDERS, join(context.configDir, 'certs.d')];
  return new RegistryClient({
    insecureRegistries: insecure,
    certificatesFor: (host) => readHostCertificates(folders, host),
    userAgent: `tare/${buildVersion().version}`,
  });
}
