declare module 'phoenix-1.6' {
  export * from 'phoenix'
}
declare module 'phoenix-1.7' {
  export * from 'phoenix'
}
