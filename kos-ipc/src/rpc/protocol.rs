//! The macro: [`ipc_protocol!`](crate::ipc_protocol).

/// Makes the server's trait and the client's stub of a protocol. See [the module](crate::rpc).
///
/// ```
/// use kos_ipc::cap::Rights;
/// use kos_ipc::endpoint::Access;
/// use kos_ipc::rpc::{Failure, Request};
/// use kos_ipc::{Env, cap::Object, ipc_protocol};
///
/// ipc_protocol! {
///     /// Adds and stores.
///     pub protocol Sums, client SumsClient, version 1 {
///         /// Adds a number; the sum.
///         1 => add(u64) -> u64 { leases: [], caps: [] },
///         /// Writes the sum to lent memory, for who shows a capability of kind 7.
///         2 => store(u64) -> u64 { leases: [Access::Write], caps: [(7, Rights::READ)] },
///     }
/// }
///
/// struct Server(u64);
///
/// impl<'c, E: Env, O: Object, A: Send> Sums<'c, E, O, A> for Server {
///     fn add(&mut self, number: u64, _: &mut Request<'_, '_, '_, 'c, E, O, A>) -> Result<u64, Failure> {
///         self.0 = self.0.checked_add(number).ok_or(Failure(75))?;
///         Ok(self.0)
///     }
///
///     fn store(&mut self, _: u64, _: &mut Request<'_, '_, '_, 'c, E, O, A>) -> Result<u64, Failure> {
///         Ok(self.0)
///     }
/// }
/// ```
#[macro_export]
macro_rules! ipc_protocol {
    (
        $(#[$meta:meta])*
        $visibility:vis protocol $server:ident, client $client:ident, version $version:literal {
            $(
                $(#[$op_meta:meta])*
                $opcode:literal => $op:ident($args:ty) -> $answer:ty {
                    leases: [$($access:expr),* $(,)?], caps: [$($cap:expr),* $(,)?] $(,)?
                }
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $visibility trait $server<'c, E: $crate::Env, O: $crate::cap::Object, A: Send> {
            /// The operations, as a request is compared with them.
            const OPS: &'static [$crate::rpc::OpSpec] = &[$(
                $crate::rpc::OpSpec {
                    opcode: $opcode,
                    len: <$args as $crate::rpc::Plain>::LEN,
                    leases: &[$($access),*],
                    caps: &[$($cap),*],
                }
            ),*];

            $(
                $(#[$op_meta])*
                ///
                /// # Errors
                /// [`Failure`]($crate::rpc::Failure), the protocol's own.
                fn $op(
                    &mut self,
                    args: $args,
                    request: &mut $crate::rpc::Request<'_, '_, '_, 'c, E, O, A>,
                ) -> ::core::result::Result<$answer, $crate::rpc::Failure>;
            )*

            /// Does what a call asks for, if it is as the protocol says, and answers it.
            ///
            /// # Errors
            /// [`BadRequest`]($crate::rpc::BadRequest), which the client was told too.
            fn serve(
                &mut self,
                received: $crate::endpoint::Received<'_, '_, E, $crate::endpoint::Msg<'c, E, O>, A>,
            ) -> ::core::result::Result<(), $crate::rpc::BadRequest> {
                $crate::rpc::serve(received, $version, Self::OPS, |opcode, request| match opcode {
                    $($opcode => request.run(|args: $args, request| self.$op(args, request)),)*
                    _ => ::core::result::Result::Err($crate::rpc::Failure(0)),
                })
            }
        }

        /// Calls it.
        $visibility struct $client<'a, 'e, 'c, E: $crate::Env, O: $crate::cap::Object, A: Send>(
            /// Where the server receives.
            pub &'a $crate::endpoint::Endpoint<'e, E, $crate::endpoint::Msg<'c, E, O>, A>,
        );

        impl<'c, E: $crate::Env, O: $crate::cap::Object, A: Send> $client<'_, '_, 'c, E, O, A> {
            $(
                $(#[$op_meta])*
                ///
                /// # Errors
                /// [`RpcError`]($crate::rpc::RpcError)
                $visibility fn $op(
                    &self,
                    caller: &$crate::Caller<'_, E>,
                    args: &$args,
                    ask: $crate::rpc::Ask<'_, 'c, E, O, A>,
                ) -> ::core::result::Result<
                    $crate::rpc::Answered<'c, E, O, $answer>,
                    $crate::rpc::RpcError<$crate::endpoint::Msg<'c, E, O>>,
                > {
                    $crate::rpc::call(self.0, caller, ($version, $opcode), args, ask)
                }
            )*
        }
    };
}
