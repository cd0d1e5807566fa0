import { expect, test } from 'bun:test';
import { requestedDevices } from './device-requests.ts';
import type { DeviceRequest } from './model.ts';

const GPUS = ['nvidia.com/gpu=0', 'nvidia.com/gpu=1'];
const request = (change: Partial<DeviceRequest>): DeviceRequest[] => [
  { driver: '', count: 0, deviceIDs: null, capabilities: null, options: null, ...change },
];
const gpu = { capabilities: [['gpu']] };

test('names of CDI devices are passed on', () => {
  expect(requestedDevices(request({ driver: 'cdi', deviceIDs: ['a.b/c=d'] }), [])).toEqual(['a.b/c=d']);
});

test.each([
  [{ ...gpu, count: -1 }, GPUS, GPUS],
  [{ ...gpu, count: -1 }, [...GPUS, 'nvidia.com/gpu=all'], ['nvidia.com/gpu=all']],
  [{ ...gpu, count: 1, driver: 'nvidia' }, GPUS, ['nvidia.com/gpu=0']],
  [{ ...gpu, deviceIDs: ['1'] }, GPUS, ['nvidia.com/gpu=1']],
])('GPUs that CDI describes: %j', (change, known, devices) => {
  expect(requestedDevices(request(change), known)).toEqual(devices);
});

test.each([
  [{ ...gpu, count: -1 }, 'could not select device driver "" with capabilities: [[gpu]]'],
  [{ ...gpu, driver: 'what' }, 'could not select device driver "what" with capabilities: [[gpu]]'],
  [{ capabilities: [['a', 'b'], ['c']] }, 'could not select device driver "" with capabilities: [[a b] [c]]'],
  [{ driver: 'cdi', count: 1 }, 'invalid count in CDI device request'],
  [{ driver: 'cdi', options: { a: 'b' } }, 'invalid options in CDI device request'],
])('%j is refused', (change, words) => expect(() => requestedDevices(request(change), [])).toThrow(words));
