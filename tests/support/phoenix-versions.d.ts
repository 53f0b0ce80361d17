declare module 'phoenix-1.3' {
  export * from 'phoenix'
}
declare module 'phoenix-1.4' {
  export * from 'phoenix'
}
declare module 'phoenix-1.5' {
  export * from 'phoenix'
}
declare module 'phoenix-1.6' {
  export * from 'phoenix'
}
declare module 'phoenix-1.7' {
  export * from 'phoenix'
}
declare module 'phoenix-channels' {
  export * from 'phoenix'
}
declare module 'phoenix-socket' {
  export * from 'phoenix'
}
