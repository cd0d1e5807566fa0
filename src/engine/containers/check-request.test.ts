import { describe, expect, test } from 'bun:test';
import { checkRequest } from './check-request.ts';
import { NO_RESOURCES } from './limit-update.ts';
import type { ContainerConfig, HostConfig } from './model.ts';

const config = { env: [], hostname: '', domainname: '', workingDir: '', exposedPorts: {} };
const host = {
  annotations: {},
  restartPolicy: { name: '', maximumRetryCount: 0 },
  networkMode: 'bridge',
  pidMode: '',
  ipcMode: '',
  utsMode: '',
  usernsMode: '',
  cgroupnsMode: '',
  shmSize: 0,
  logConfig: { type: 'json-file', config: {} },
  runtime: '',
  extraHosts: [],
  portBindings: {},
  publishAllPorts: false,
  links: [],
  dns: [],
  autoRemove: false,
};

function check(changes: { config?: object; host?: object; resources?: object }): () => void {
  return () =>
    checkRequest(
      { ...config, ...changes.config } as unknown as ContainerConfig,
      {
        ...host,
        ...changes.host,
        resources: { ...NO_RESOURCES, ...changes.resources },
      } as unknown as HostConfig,
    );
}

describe('checkRequest', () => {
  test('takes what is right', () => expect(check({})).not.toThrow());

  test.each([
    [{ resources: { cpuShares: -1 } }, 'invalid CPU shares (-1): value must be a positive integer'],
    [{ resources: { memory: 1024 } }, 'Minimum memory limit allowed is 6MB'],
    [
      { resources: { memory: 1e8, memorySwap: 5e7 } },
      'Minimum memoryswap limit should be larger than memory limit',
    ],
    [{ resources: { nanoCpus: 1e15 } }, 'range of CPUs is from 0.01 to'],
    [{ resources: { cpusetCpus: '5000' } }, 'Requested CPUs are not available'],
    [{ host: { annotations: { '': 'x' } } }, 'the empty string is not permitted as an annotation key'],
    [
      { host: { logConfig: { type: 'what', config: {} } } },
      'error looking up logging plugin what: plugin "what" not found',
    ],
    [{ host: { networkMode: 'container:x' }, config: { hostname: 'h' } }, 'hostname and the network mode'],
    [{ config: { workingDir: 'rel' } }, 'it needs to be an absolute path'],
    [{ config: { healthcheck: { Interval: 1 } } }, 'Interval in Healthcheck cannot be less than 1ms'],
    [{ config: { healthcheck: { Retries: -1 } } }, 'Retries in Healthcheck cannot be negative'],
  ])('refuses %p', (changes, message) => expect(check(changes)).toThrow(message));
});
