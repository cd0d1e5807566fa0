import type { ExecConfig } from '../../engine/containers/containers.ts';
import type { ContainerConfig, EndpointSettings, HostConfig } from '../../engine/containers/model.ts';
import type { CreateNetwork } from '../../engine/networks/networks.ts';
import type { CreateVolume } from '../../engine/volumes/volumes.ts';
import { bool, consoleSize, list, nullable, record, string, strSlice } from './codec.ts';
import { containerConfigCodec } from './container-config.ts';
import { endpointCodec } from './endpoint.ts';
import { hostConfigCodec, portBindings, resourcesCodec, restartPolicyCodec } from './host-config.ts';
import { embedded, field, object } from './object.ts';

/** `POST /containers/create`. */
export const createContainerBody = object<{
  config: ContainerConfig;
  hostConfig: HostConfig;
  networking: { endpoints: Record<string, EndpointSettings> };
}>('ContainerCreateRequest', {
  config: embedded(containerConfigCodec),
  hostConfig: field('HostConfig', hostConfigCodec),
  networking: field(
    'NetworkingConfig',
    object<{ endpoints: Record<string, EndpointSettings> }>('NetworkingConfig', {
      endpoints: field('EndpointsConfig', record(endpointCodec)),
    }),
  ),
});

/** `POST /containers/{id}/update`; the ports are beyond Docker. */
export const updateContainerBody = object<
  Pick<HostConfig, 'resources' | 'restartPolicy'> & {
    add: HostConfig['portBindings'];
    remove: HostConfig['portBindings'];
  }
>('UpdateConfig', {
  resources: embedded(resourcesCodec),
  restartPolicy: field('RestartPolicy', restartPolicyCodec),
  add: field('PublishAdd', portBindings),
  remove: field('PublishRemove', portBindings),
});

/** `POST /containers/{id}/exec`. */
export const createExecBody = object<
  {
    -readonly [K in keyof Omit<ExecConfig, 'cmd' | 'env' | 'consoleSize'>]: ExecConfig[K];
  } & { cmd: string[] | null; env: string[]; consoleSize: [number, number] }
>('ExecOptions', {
  user: field('User', string),
  privileged: field('Privileged', bool),
  tty: field('Tty', bool),
  consoleSize: field('ConsoleSize', consoleSize),
  attachStdin: field('AttachStdin', bool),
  attachStderr: field('AttachStderr', bool),
  attachStdout: field('AttachStdout', bool),
  detachKeys: field('DetachKeys', string),
  env: field('Env', list(string)),
  workingDir: field('WorkingDir', string),
  cmd: field('Cmd', strSlice),
});

/** `POST /exec/{id}/start`. */
export const startExecBody = object<{ detach: boolean; tty: boolean; consoleSize: [number, number] }>(
  'ExecStartOptions',
  {
    detach: field('Detach', bool),
    tty: field('Tty', bool),
    consoleSize: field('ConsoleSize', consoleSize),
  },
);

type Subnet = {
  -readonly [K in keyof CreateNetwork['subnets'][number]]: CreateNetwork['subnets'][number][K];
};

/** `POST /networks/create`. */
export const createNetworkBody = object<{
  name: string;
  driver: string;
  scope: string;
  internal: boolean;
  attachable: boolean;
  ingress: boolean;
  configOnly: boolean;
  configFrom: { network: string };
  enableIPv4: boolean | null;
  enableIPv6: boolean | null;
  ipam: { driver: string; options: Record<string, string>; config: Subnet[] };
  options: Record<string, string>;
  labels: Record<string, string>;
}>('CreateRequest', {
  name: field('Name', string),
  driver: field('Driver', string),
  scope: field('Scope', string),
  internal: field('Internal', bool),
  attachable: field('Attachable', bool),
  ingress: field('Ingress', bool),
  configOnly: field('ConfigOnly', bool),
  configFrom: field(
    'ConfigFrom',
    object<{ network: string }>('ConfigReference', { network: field('Network', string) }),
  ),
  enableIPv4: field('EnableIPv4', nullable(bool)),
  enableIPv6: field('EnableIPv6', nullable(bool)),
  ipam: field(
    'IPAM',
    object<{ driver: string; options: Record<string, string>; config: Subnet[] }>('IPAM', {
      driver: field('Driver', string),
      options: field('Options', record(string)),
      config: field(
        'Config',
        list(
          object<Subnet>('IPAMConfig', {
            subnet: field('Subnet', string),
            gateway: field('Gateway', string),
            ipRange: field('IPRange', string),
            auxAddresses: field('AuxiliaryAddresses', record(string)),
          }),
        ),
      ),
    }),
  ),
  options: field('Options', record(string)),
  labels: field('Labels', record(string)),
});

/** `POST /networks/{id}/connect`. */
export const connectNetworkBody = object<{ container: string; settings: EndpointSettings }>(
  'ConnectOptions',
  {
    container: field('Container', string),
    settings: field('EndpointConfig', endpointCodec),
  },
);

/** `POST /networks/{id}/disconnect`. */
export const disconnectNetworkBody = object<{ container: string; force: boolean }>('DisconnectOptions', {
  container: field('Container', string),
  force: field('Force', bool),
});

/** `POST /volumes/create`. */
export const createVolumeBody = object<{
  -readonly [K in keyof CreateVolume]: CreateVolume[K];
}>('CreateOptions', {
  name: field('Name', string),
  driver: field('Driver', string),
  options: field('DriverOpts', record(string)),
  labels: field('Labels', record(string)),
});
