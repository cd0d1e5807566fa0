/** One limit as a file of a cgroup takes it. */
export interface Setting {
  /** v1: whose hierarchy the file is in. */
  readonly controller: string;
  readonly file: string;
  /** What is written. */
  readonly value: string;
  /** Whether the file, read back, says that the limit holds. */
  holds(text: string): boolean;
  /** What to write to have the former text again. */
  undo(text: string): string;
}

type Make = (controller: string, file: string, value: string) => Setting;

/** A file that reads as it was written: `pids.max`, `cpu.max`, … */
export const plain: Make = (controller, file, value) => ({
  controller,
  file,
  value,
  holds: (text) => text === value,
  undo: (text) => text,
});

/** Bytes, which the kernel rounds down to whole pages, or `unlimited` (-1 on v1, `max` on v2). */
export function bytesSetting(controller: string, file: string, bytes: number, unlimited: string): Setting {
  const page = 65_536;
  return {
    ...plain(controller, file, bytes < 0 ? unlimited : String(bytes)),
    holds(text) {
      if (text === 'max') return bytes < 0;
      // v1 shows "none" as the largest number of pages.
      if (bytes < 0) return Number(text) >= 2 ** 62;
      return Number(text) <= bytes && Number(text) > bytes - page;
    },
    undo: (text) => (Number(text) >= 2 ** 62 ? unlimited : text),
  };
}

/** A list of processors or memory nodes: the kernel writes `0,1` as `0-1`. */
export const cpuList: Make = (controller, file, value) => ({
  ...plain(controller, file, value),
  holds: (text) => [...numbersOf(text)].sort().join() === [...numbersOf(value)].sort().join(),
  // An empty list, which a v1 cgroup has only before it is set up, cannot be written.
  undo: (text) => (text === '' ? '\n' : text),
});

function numbersOf(list: string): Set<number> {
  const result = new Set<number>();
  for (const part of list.split(',')) {
    const [first, last = first] = part.split('-').map(Number);
    if (part.trim() === '' || first === undefined || last === undefined) continue;
    for (let number = first; number <= last; number++) result.add(number);
  }
  return result;
}

/**
 * A line of its own for each device: `8:0 1048576`; of v2's io.max `8:0 rbps=1048576`.
 * @param none what stands for no limit.
 */
export function deviceSetting(
  controller: string,
  file: string,
  device: { readonly major: number; readonly minor: number },
  value: string,
  none: string,
): Setting {
  const name = `${device.major}:${device.minor}`;
  const key = value.includes('=') ? value.slice(0, value.indexOf('=') + 1) : '';
  const valueIn = (text: string): string => {
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
    return line?.split(' ').find((word, index) => index > 0 && word.startsWith(key)) ?? none;
  };
  return {
    controller,
    file,
    value: `${name} ${value}`,
    // Without a line there is no limit, which is how 0 is shown.
    holds: (text) => valueIn(text) === value || (value === `${key}0` && valueIn(text) === none),
    undo: (text) => `${name} ${valueIn(text)}`,
  };
}
