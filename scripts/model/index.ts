import { modelTables } from './tables.ts'

console.log(modelTables())
