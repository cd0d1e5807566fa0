/** The Debian releases a virtual machine can be made of. */

export interface Release {
  /** What `--vm=` names it by. */
  readonly number: '12' | '13';
  readonly suite: string;
}

/** 12 has kernel 6.1, which mounts no EROFS from files; 13 has 6.12, which does. */
export const RELEASES: readonly Release[] = [
  { number: '12', suite: 'bookworm' },
  { number: '13', suite: 'trixie' },
];

/** Throws with the choices for a number that is none of them. */
export function releaseOf(number: string): Release {
  const found = RELEASES.find((release) => release.number === number);
  if (found !== undefined) return found;
  throw new Error(
    `no virtual machine of Debian ${number}; there are: ${RELEASES.map((r) => r.number).join(', ')}`,
  );
}
