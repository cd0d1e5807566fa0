import { TareError } from '../../base/errors.ts';
import type { DeviceRequest } from './model.ts';

/** The kind under which NVIDIA's container toolkit describes GPUs. */
const NVIDIA = 'nvidia.com/gpu';

/**
 * The CDI devices that a container's device requests mean. `--gpus` has no driver of its own here: where the host
 * describes NVIDIA's GPUs by CDI it means those. `known`: the names of the devices there are. Throws `invalid` in
 * dockerd's words.
 */
export function requestedDevices(requests: readonly DeviceRequest[], known: readonly string[]): string[] {
  return requests.flatMap((request) => {
    if (request.driver === 'cdi') return checkedIds(request);
    const gpus = known.filter((name) => name.startsWith(`${NVIDIA}=`));
    const wantsGpus = (request.capabilities ?? []).some((set) => set.includes('gpu'));
    if (wantsGpus && gpus.length > 0 && ['', 'nvidia'].includes(request.driver)) return gpusOf(request, gpus);
    const sets = (request.capabilities ?? []).map((set) => `[${set.join(' ')}]`).join(' ');
    throw new TareError(
      'invalid',
      `could not select device driver "${request.driver}" with capabilities: [${sets}]`,
    );
  });
}

function checkedIds({ count, options, deviceIDs }: DeviceRequest): readonly string[] {
  if (count !== 0) throw new TareError('invalid', 'invalid count in CDI device request');
  if (Object.keys(options ?? {}).length > 0) {
    throw new TareError('invalid', 'invalid options in CDI device request');
  }
  return deviceIDs ?? [];
}

function gpusOf({ count, deviceIDs }: DeviceRequest, known: readonly string[]): string[] {
  if (deviceIDs && deviceIDs.length > 0) return deviceIDs.map((id) => `${NVIDIA}=${id}`);
  const all = `${NVIDIA}=all`;
  if (count < 0) return known.includes(all) ? [all] : [...known];
  return Array.from({ length: count }, (_, index) => `${NVIDIA}=${index}`);
}
