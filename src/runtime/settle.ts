/** Waits until `done` says so, looking more and more seldom; false after `patience` milliseconds. */
export async function settles(done: () => boolean, patience: number): Promise<boolean> {
  const end = Date.now() + patience;
  for (let pause = 1; !done(); pause = Math.min(pause * 1.5, 50)) {
    if (Date.now() > end) return false;
    await Bun.sleep(pause);
  }
  return true;
}
