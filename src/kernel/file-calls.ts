import { dlopen, FFIType } from 'bun:ffi';

const { i32, u32, u64, i64_fast, u64_fast, ptr: pointer } = FFIType;

/**
 * The C library's calls on files, for kernel/files.ts. They stand apart from ffi.ts because each symbol costs
 * its stub's compilation, and whoever loads this (a Worker that extracts) does not need the rest, and the other
 * way round.
 */
export const fileCalls = dlopen('libc.so.6', {
  openat: { args: [i32, pointer, i32, u32], returns: i32 },
  write: { args: [i32, pointer, u64_fast], returns: i64_fast },
  pwrite: { args: [i32, pointer, u64_fast, u64_fast], returns: i64_fast },
  read: { args: [i32, pointer, u64_fast], returns: i64_fast },
  ftruncate: { args: [i32, u64_fast], returns: i32 },
  mkdir: { args: [pointer, u32], returns: i32 },
  symlink: { args: [pointer, pointer], returns: i32 },
  linkat: { args: [i32, pointer, i32, pointer, i32], returns: i32 },
  mknod: { args: [pointer, u32, u64], returns: i32 },
  rename: { args: [pointer, pointer], returns: i32 },
  unlink: { args: [pointer], returns: i32 },
  unlinkat: { args: [i32, pointer, i32], returns: i32 },
  lchown: { args: [pointer, u32, u32], returns: i32 },
  fchown: { args: [i32, u32, u32], returns: i32 },
  chmod: { args: [pointer, u32], returns: i32 },
  fchmod: { args: [i32, u32], returns: i32 },
  utimensat: { args: [i32, pointer, pointer, i32], returns: i32 },
  futimens: { args: [i32, pointer], returns: i32 },
  syncfs: { args: [i32], returns: i32 },
  sync_file_range: { args: [i32, u64_fast, u64_fast, u32], returns: i32 },
  statx: { args: [i32, pointer, i32, u32, pointer], returns: i32 },
  readlinkat: { args: [i32, pointer, pointer, u64_fast], returns: i64_fast },
  getdents64: { args: [i32, pointer, u64_fast], returns: i64_fast },
}).symbols;
