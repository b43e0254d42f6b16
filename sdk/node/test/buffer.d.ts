// SPDX-License-Identifier: Apache-2.0
// All that the declarations need of @types/node, which need not be installed for the tests.
interface Buffer extends Uint8Array {
  toString(encoding?: string): string;
}
