export async function rotateLog(_p: string, _k: number): Promise<void> {}
