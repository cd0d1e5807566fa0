import { TareError } from '../../base/errors.ts';
import type { SpecInput } from './input.ts';

/** Parameters of an ipc namespace (ipc_namespaces(7)), without `fs.mqueue.*`. */
const IPC = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);

/**
 * What the user set, over Docker's two defaults for a network namespace that is not the host's. Throws `invalid`, in
 * runc's words, for a parameter that is not of a namespace of the container's own: it would change the host.
 */
export function chooseSysctls(
  input: Pick<SpecInput, 'namespaces' | 'userNamespace' | 'domainname' | 'sysctls'>,
): Record<string, string> {
  const { namespaces, domainname } = input;
  const wanted = {
    ...(domainname !== '' && { 'kernel.domainname': domainname }),
    ...input.sysctls,
  };
  for (const name of Object.keys(wanted)) {
    const fault = faultOf(name, namespaces);
    if (fault === undefined) continue;
    throw new TareError(
      'invalid',
      `failed to create task for container: failed to create shim task: OCI runtime create failed: crun create failed: sysctl ${JSON.stringify(name)} ${fault}: unknown`,
    );
  }
  return {
    ...(namespaces.network !== 'host' && {
      // Any user may bind port 80 and send pings: the namespace is the container's own.
      'net.ipv4.ip_unprivileged_port_start': '0',
      // As dockerd: a user namespace has not all of these groups.
      ...(input.userNamespace === undefined && { 'net.ipv4.ping_group_range': '0 2147483647' }),
    }),
    ...wanted,
  };
}

function faultOf(name: string, namespaces: SpecInput['namespaces']): string | undefined {
  // sysctl(8) takes slashes for dots.
  const dotted = /^[^.]*\//.test(name) ? name.replaceAll('/', '.') : name;
  if (IPC.has(dotted) || dotted.startsWith('fs.mqueue.')) {
    return namespaces.ipc === 'host' ? 'is not allowed in the hosts ipc namespace' : undefined;
  }
  if (dotted.startsWith('net.')) {
    return namespaces.network === 'host' ? 'not allowed in host network namespace' : undefined;
  }
  if (namespaces.uts === 'private') {
    if (dotted === 'kernel.domainname') return undefined;
    if (dotted === 'kernel.hostname') return 'is not allowed as it conflicts with the OCI "hostname" field';
  }
  return 'is not in a separate kernel namespace';
}
