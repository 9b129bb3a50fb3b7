// The error result of a CNI plugin (CNI spec 1.1, section "Error").
import { WeftError } from '../../api/errors.ts';

/**
 * Codes below 100 are the specification's; other plugins use {@link INTERNAL} for unexpected
 * errors.
 */
export const CNI_CODES = {
  INCOMPATIBLE_VERSION: 1,
  UNKNOWN_CONTAINER: 3,
  INVALID_ENVIRONMENT: 4,
  IO_FAILURE: 5,
  DECODING_FAILURE: 6,
  INVALID_CONFIG: 7,
  TRY_AGAIN_LATER: 11,
  UNAVAILABLE: 50,
  NO_DELEGATE: 100,
  DELEGATE_FAILED: 101,
  SUBNET_CHANGED: 102,
  INTERNAL: 999,
} as const;

/** Printed as JSON on standard output, exit code 1. */
export class CniError extends WeftError {
  /** One of {@link CNI_CODES}, or a delegate's. `code` in the JSON. */
  readonly cniCode: number;
  readonly details: string | undefined;

  constructor(cniCode: number, message: string, details?: string) {
    super('CNI_FAILED', message);
    this.cniCode = cniCode;
    this.details = details;
  }
}

/** Converts any error into an error result. */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const { message, code, syscall } = error as NodeJS.ErrnoException;
  const isSystemError = code !== undefined && syscall !== undefined;
  return new CniError(isSystemError ? CNI_CODES.IO_FAILURE : CNI_CODES.INTERNAL, message);
}

/** The JSON of an error result. */
export function formatCniError({ cniCode, message, details }: CniError, cniVersion: string): string {
  return JSON.stringify({
    cniVersion,
    code: cniCode,
    msg: message,
    ...(details === undefined ? {} : { details }),
  });
}
